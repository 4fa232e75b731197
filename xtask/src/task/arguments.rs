//! The arguments of a task: `--flag`, `--option value`.

use std::collections::VecDeque;

/// Arguments not yet taken.
#[derive(Debug)]
pub(crate) struct Arguments(VecDeque<String>);

impl Arguments {
    pub(crate) fn new(arguments: impl IntoIterator<Item = String>) -> Self {
        Self(arguments.into_iter().collect())
    }

    /// The first argument, if there is one.
    pub(crate) fn first(&mut self) -> Option<String> {
        self.0.pop_front()
    }

    /// Takes the flag `name`: whether it was given.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        let at = self.0.iter().position(|argument| argument == name);
        at.is_some_and(|at| self.0.remove(at).is_some())
    }

    /// Takes the option `name` and its value.
    pub(crate) fn option(&mut self, name: &str) -> Result<Option<String>, String> {
        let Some(at) = self.0.iter().position(|argument| argument == name) else {
            return Ok(None);
        };
        self.0.remove(at);
        let value = self.0.remove(at);
        value.map(Some).ok_or(format!("{name} needs a value"))
    }

    /// Refuses what no one took.
    pub(crate) fn finish(self) -> Result<(), String> {
        match self.0.front() {
            None => Ok(()),
            Some(left) => Err(format!("unknown argument {left}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_taken_in_any_order() {
        let given = ["task", "--bin", "a b", "--full"].map(String::from);
        let mut arguments = Arguments::new(given);
        assert_eq!(arguments.first().as_deref(), Some("task"));
        assert!(arguments.flag("--full"));
        assert!(!arguments.flag("--full"));
        assert_eq!(arguments.option("--bin"), Ok(Some("a b".into())));
        assert_eq!(arguments.option("--bin"), Ok(None));
        assert_eq!(arguments.finish(), Ok(()));
    }

    #[test]
    fn what_is_missing_or_left_is_refused() {
        let mut arguments = Arguments::new(["--bin".to_owned()]);
        let error = arguments.option("--bin");
        assert_eq!(error, Err("--bin needs a value".into()));
        let arguments = Arguments::new(["--what".to_owned()]);
        assert_eq!(arguments.finish(), Err("unknown argument --what".into()));
    }
}
