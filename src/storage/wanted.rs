//! What is to be proven, read off the inventory.

use super::proof::Access;
use crate::inventory::storage::{Engine, Storage, classes};

/// What a run of the proof is to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The classes.
    pub classes: Vec<WantedClass>,
    /// Replicas of a volume.
    pub replicas: u32,
    /// Bytes to write.
    pub size: u64,
    /// The image of the pods.
    pub image: String,
    /// Whether a replica is to be taken away meanwhile.
    pub drill: bool,
}

/// A class to be proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedClass {
    /// Its name.
    pub name: String,
    /// How its claim is made.
    pub access: Access,
    /// The replicated class that must be behind it, when it gives NFS shares.
    pub backend: Option<String>,
}

impl Wanted {
    /// What the inventory's storage is to show; nothing to be shown where homeprov leaves storage alone.
    pub fn of(storage: &Storage) -> Self {
        let backend = (storage.engine == Engine::Jiva).then(|| classes::JIVA_RETAIN.to_owned());
        let one = classes::rwo_class(storage).map(|name| WantedClass {
            name: name.to_owned(),
            access: Access::ReadWriteOnce,
            backend: None,
        });
        let many = classes::rwx_class(storage).map(|name| WantedClass {
            name: name.to_owned(),
            access: Access::ReadWriteMany,
            backend,
        });
        Self {
            classes: one.into_iter().chain(many).collect(),
            replicas: storage.replicas,
            size: storage.proof_size,
            image: storage.image.clone(),
            drill: false,
        }
    }

    /// Only this class; one the inventory does not name is claimed for one node at a time.
    #[must_use]
    pub fn only(mut self, name: &str) -> Self {
        self.classes.retain(|class| class.name == name);
        if self.classes.is_empty() {
            let access = if name == classes::RWX { Access::ReadWriteMany } else { Access::ReadWriteOnce };
            self.classes.push(WantedClass { name: name.to_owned(), access, backend: None });
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storage(engine: Engine) -> Storage {
        Storage {
            engine,
            replicas: 3,
            rwx: engine == Engine::Jiva,
            class: Some("longhorn".into()),
            ..Storage::default()
        }
    }

    #[test]
    fn each_engine_has_its_classes() {
        let names = |engine| -> Vec<String> {
            Wanted::of(&storage(engine)).classes.into_iter().map(|class| class.name).collect()
        };
        assert_eq!(names(Engine::Jiva), ["homeprov-jiva-retain", "openebs-rwx"]);
        assert_eq!(names(Engine::Hostpath), ["microk8s-hostpath"]);
        assert_eq!(names(Engine::ExistingClass), ["longhorn"]);
        assert!(names(Engine::None).is_empty());
    }

    #[test]
    fn one_class_may_be_asked_for() {
        let wanted = Wanted::of(&storage(Engine::Jiva));
        assert_eq!(wanted.clone().only("openebs-rwx").classes[0].backend.as_deref(), Some("homeprov-jiva-retain"));
        let other = wanted.only("openebs-hostpath");
        assert_eq!((other.classes.len(), other.classes[0].access), (1, Access::ReadWriteOnce));
    }
}
