//! Left alone, a cluster comes to rest, and the same story always ends the same way.

use proptest::prelude::*;

use super::bench::{Bench, balanced, deployment};

fn story(steps: &[(u8, u16)]) -> Bench {
    let mut bench = Bench::fresh(3);
    for (turn, (deed, wait)) in steps.iter().enumerate() {
        let node = format!("nuc{}", deed % 3 + 1);
        match deed / 3 {
            0 => bench.view(&node).reachable = false,
            1 => bench.view(&node).reachable = true,
            2 => drop(bench.cluster.install_metallb(bench.now)),
            3 => drop(bench.cluster.create_pool(bench.now, "10.77.0.200-10.77.0.210")),
            4 => {
                drop(bench.kubectl("apply -f -", &deployment("d", u32::from(*deed), &format!("i:{turn}")).to_string()));
            }
            5 => drop(bench.kubectl("apply -f -", &balanced("s", "d").to_string())),
            6 => drop(bench.kubectl("delete deployment d", "")),
            _ => drop(bench.cluster.delete_node(bench.now, &node)),
        }
        bench.pass(u64::from(*wait));
    }
    bench
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn clusters_come_to_rest(steps in prop::collection::vec((0..24_u8, 0..60_000_u16), 1..12)) {
        let mut bench = story(&steps);
        bench.pass(1_500_000);
        prop_assert_eq!(bench.cluster.next_event(), None);
        let version = bench.cluster.resource_version();
        bench.pass(60_000);
        prop_assert_eq!(bench.cluster.resource_version(), version);
        let mut again = story(&steps);
        again.pass(1_500_000);
        again.pass(60_000);
        prop_assert_eq!(bench.cluster.describe(), again.cluster.describe());
    }
}
