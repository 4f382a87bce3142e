//! The problems of one file, collected.

use std::sync::Arc;

use crate::diagnostic::{Problem, Source};

/// Everything found wrong or doubtful so far.
#[derive(Debug)]
pub struct Report {
    source: Arc<Source>,
    problems: Vec<Problem>,
}

impl Report {
    /// An empty report on a file.
    pub fn new(source: Source) -> Self {
        Self { source: Arc::new(source), problems: Vec::new() }
    }

    /// The file.
    pub fn source(&self) -> Arc<Source> {
        Arc::clone(&self.source)
    }

    /// Adds a problem of this file.
    pub fn push(&mut self, problem: Problem) {
        self.problems.push(problem.within(&self.source));
    }

    /// Adds the problem of a check that found one.
    pub fn check<T>(&mut self, checked: Result<T, Problem>) {
        if let Err(problem) = checked {
            self.push(problem);
        }
    }

    /// All problems in the order of the file; those of the file as a whole come first.
    pub fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems;
        problems.sort_by_key(|problem| (problem.offset(), problem.severity()));
        problems
    }
}
