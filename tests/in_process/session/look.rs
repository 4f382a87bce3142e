//! The commands that change nothing.

use homeprov::doctor::Diagnosis;
use homeprov::engine::{self, Outcome};
use homeprov::plan::Plan;
use homeprov::pool;
use homeprov::status::ClusterStatus;

use super::House;
use super::inventories::recipe;

impl House {
    /// `homeprov status`
    pub async fn status(&self) -> ClusterStatus {
        let (session, _received) = self.session(recipe());
        engine::status(&session).await.expect("nobody interrupts it").0
    }

    /// `homeprov doctor`
    pub async fn doctor(&self) -> (Diagnosis, Outcome) {
        let (session, _received) = self.session(recipe());
        engine::diagnose(&session, "home.toml").await.expect("nobody interrupts it")
    }

    /// `homeprov verify pool`
    pub async fn verify_pool(&self) -> Result<(pool::Report, Outcome), Outcome> {
        let (session, _received) = self.session(recipe());
        engine::verify_pool(&session).await
    }

    /// `homeprov plan`
    pub async fn plan(&self) -> Plan {
        let (session, _received) = self.session(recipe());
        engine::plan(&session).await.expect("nobody interrupts it").0
    }
}
