//! Reading and changing no more of the catalog than one topic needs.

use std::cell::OnceCell;
use std::sync::Arc;

use super::{View, Workspace};
use crate::domain::change::Change;
use crate::domain::topic::Topic;
use crate::signing::trust::Checked;

impl Workspace {
    /// As [`read`](Self::read), for a question about one topic. If the topic is in the catalog, other lines lack
    /// their releases.
    pub fn read_about(&self, topic: Option<&Topic>) -> anyhow::Result<View> {
        if let Some(topic) = topic {
            let view = self.about(topic)?.read()?;
            if topic.is_in(&view.catalog) {
                return Ok(view);
            }
        }
        self.read()
    }

    /// As [`commit`](Self::commit), for changes that are about one topic. If the topic is in the catalog, `decide`
    /// gets other lines without their releases, and a change to those is no conflict.
    pub fn commit_about<T>(
        &self,
        topic: Option<&Topic>,
        mut decide: impl FnMut(&View) -> anyhow::Result<(Vec<Change>, T)>,
    ) -> anyhow::Result<T> {
        if let Some(topic) = topic {
            let done = self.about(topic)?.commit(|view| {
                if !topic.is_in(&view.catalog) {
                    return Ok((Vec::new(), None));
                }
                let (changes, outcome) = decide(view)?;
                Ok((changes, Some(outcome)))
            })?;
            if let Some(outcome) = done {
                return Ok(outcome);
            }
        }
        self.commit(decide)
    }

    /// The same workspace, with a store that may leave out what is not about a topic.
    fn about(&self, topic: &Topic) -> anyhow::Result<Self> {
        let store = Arc::clone(self.store()?).about(topic);
        let Self { catalog, payloads, state, clock, memory, .. } = self;
        Ok(Self {
            catalog: catalog.clone(),
            payloads: payloads.clone(),
            state: state.clone(),
            clock: Arc::clone(clock),
            store: OnceCell::from(store),
            memory: memory.clone(),
            checked: Checked::default(),
        })
    }
}
