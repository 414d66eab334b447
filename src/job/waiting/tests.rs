//! Tests of a wait as the home of the awaited job sees it: when it is asked to attend to a thread,
//! and when that thread is parked there.

use super::*;
use crate::error::Payload;
use crate::job::{Bound, Help, Origin, Pending, discard_payload};
use crate::sync::Mutex;

/// What is asked of homes, in its order.
type Calls = Arc<Mutex<Vec<(&'static str, &'static str, Instant)>>>;

/// A home that has the thread as one of its workers.
struct Named {
    name: &'static str,
    answer: Attention,
    calls: Calls,
}

impl Named {
    fn home(name: &'static str, answer: Attention, calls: &Calls) -> Arc<dyn Home> {
        Arc::new(Self { name, answer, calls: Arc::clone(calls) })
    }

    fn note(&self, call: &'static str) {
        self.calls.lock().push((self.name, call, Instant::now()));
    }
}

impl Home for Named {
    fn cancel(&self, _claim: &mut dyn FnMut() -> bool) -> bool {
        unreachable!("nobody cancels")
    }

    fn cancel_ended(&self) {
        unreachable!("nobody cancels")
    }

    fn help(&self, _: &Arc<dyn Pending>, _: Bound, _: &mut dyn FnMut(u64) -> Help) -> Help {
        unreachable!("there is no job")
    }

    fn is_inside(&self) -> bool {
        true
    }

    fn is_crowded(&self) -> bool {
        false
    }

    fn park(&self) {
        self.note("park");
    }

    fn unpark(&self, _parting: Parting) {
        self.note("unpark");
    }

    fn attend(self: Arc<Self>, _standing: Standing) -> Attention {
        self.note("attend");
        self.answer
    }

    fn report_panic(&self, payload: Payload) {
        discard_payload(payload);
    }

    fn report(&self, _source: &str, _origin: Option<&Origin>, payload: Payload) {
        discard_payload(payload);
    }
}

/// Waits for a job that is at these places, one after the other, and then here.
fn wait_at(places: impl IntoIterator<Item = Option<Arc<dyn Home>>>) {
    // The first look comes before the wait.
    let mut places = std::iter::once(None).chain(places);
    let mut waiting = Waiting::new(Deadline::NEVER, Heed::Nothing);
    let result = waiting.until(&String::new, |_company| match places.next() {
        Some(place) => {
            thread::current().unpark();
            Look::Wait(place.map(|home| Place { home, progress: Progress::Pending }))
        }
        None => Look::Ready(()),
    });
    assert!(result.is_ok());
}

fn made(calls: &Calls) -> Vec<(&'static str, &'static str)> {
    calls.lock().iter().map(|(home, call, _)| (*home, *call)).collect()
}

#[test]
fn a_thread_is_parked_where_the_awaited_job_is_and_nowhere_else() {
    let calls = Calls::default();
    let [here, there] = ["here", "there"].map(|name| Named::home(name, Attention::None, &calls));
    let again = |home: &Arc<dyn Home>| std::iter::repeat_n(Some(Arc::clone(home)), 3);
    wait_at(again(&here).chain(again(&there)).chain([None, None]).chain(again(&here)));
    let mut calls = made(&calls);
    calls.dedup();
    let stay = |name| [(name, "park"), (name, "attend"), (name, "unpark")];
    assert_eq!(calls, [stay("here"), stay("there"), stay("here")].concat());
}

#[test]
fn a_home_that_is_refused_a_thread_is_asked_more_and_more_rarely() {
    let calls = Calls::default();
    let home = Named::home("here", Attention::Refused, &calls);
    let asked = || calls.lock().iter().filter(|(_, call, _)| *call == "attend").count();
    let mut waiting = Waiting::new(Deadline::NEVER, Heed::Nothing);
    let result = waiting.until(&String::new, |_company| {
        if asked() == 6 {
            return Look::Ready(());
        }
        Look::Wait(Some(Place { home: Arc::clone(&home), progress: Progress::Pending }))
    });
    assert!(result.is_ok());
    let times: Vec<_> =
        calls.lock().iter().filter(|call| call.1 == "attend").map(|c| c.2).collect();
    let mut least = FIRST_RETRY;
    for pair in times.windows(2) {
        assert!(pair[1] - pair[0] >= least, "at least {least:?}: {times:?}");
        least = (least * 2).min(LAST_RETRY);
    }
}
