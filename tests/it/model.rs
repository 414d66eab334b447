//! Tests of the whole pool against a model: random calls, one at a time, and everything that can be
//! seen compared after each.
//!
//! `WORKCREW_MODEL_CASES` says how many cases. One that fails is made smaller, printed, and kept in
//! `model/failures.txt`, from which it is tried first the next time.

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use self::calls::{Call, Ending, Factory, Setup};
use self::paper::Paper;
use self::real::Real;

mod calls; // what can be called
mod paper; // the pool on paper
mod real; // the real one

fn cases() -> u32 {
    let cases = std::env::var("WORKCREW_MODEL_CASES").ok().and_then(|text| text.parse().ok());
    cases.unwrap_or(200)
}

/// A pool, and what it should be.
struct Pair {
    paper: Paper,
    real: Real,
    calls: usize,
}

impl Pair {
    fn new(setup: Setup) -> Self {
        Self { paper: Paper::new(setup), real: Real::new(setup), calls: 0 }
    }

    fn make(&mut self, call: Call) -> Result<(), String> {
        let number = self.calls;
        self.calls += 1;
        let Some(call) = self.paper.instead(call) else { return Ok(()) };
        let target = self.paper.target(call);
        let step = self.paper.make(number, call);
        let answer = self.real.make(number, call, target);
        let told = |what: String| format!("call {number}, {call:?} of {target:?}: {what}");
        if answer != step.answer {
            return Err(told(format!("answered {answer:?} and not {:?}", step.answer)));
        }
        let (figures, states) = (self.paper.figures(), self.paper.states());
        let seen = self.real.settle(&figures, &states, &step).map_err(told)?;
        self.paper.learn(&seen.starts, &seen.stops).map_err(told)
    }

    /// Lets all jobs end, and the pool.
    fn end(mut self) -> Result<(), String> {
        self.make(Call::Threads(Factory::Works))?;
        self.make(Call::Shutdown)?;
        while !self.paper.is_over() {
            self.make(Call::End(0, Ending::Returns))?;
        }
        self.make(Call::AwaitTermination)?;
        self.real.end(&self.paper.states())
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        max_shrink_iters: 400,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(
            "tests/it/model/failures.txt",
        ))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_pool_does_what_the_model_does(setup in calls::setup(), calls in calls::calls()) {
        let mut pair = Pair::new(setup);
        for call in calls {
            pair.make(call).map_err(TestCaseError::fail)?;
        }
        pair.end().map_err(TestCaseError::fail)?;
    }
}
