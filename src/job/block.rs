//! Owns the memory of queued jobs: a block in which jobs lie one after the other, each as long as it
//! is, so that a closure of one word takes three.
//!
//! Between the jobs lie stamps: the moment from which on the jobs after it have been waiting.

use std::mem::MaybeUninit;

use super::{Job, Ops, Slot};
use crate::stamp::Stamp;

/// Memory is counted in these.
type Word = usize;

/// A cache line of a block's memory. A job is as long at most.
#[repr(C, align(64))]
struct Line([Word; WORDS]);

const WORDS: usize = 64 / size_of::<Word>();

const _: () =
    assert!(size_of::<Job>() <= size_of::<Line>() && align_of::<Job>() == align_of::<Word>());

/// Jobs and stamps in the order in which they were put.
///
/// INVARIANT: the words from `head` to `tail` are records, without a gap. If the first word of one is
/// the address of an [`Ops`], the record is the first `words` of a job, which the block owns; the rest
/// of a job is not initialised. If it is null, a stamp follows. `head <= tail`, and a record that begins
/// at less than `end` may take a whole line.
#[repr(C)]
pub(crate) struct Block {
    tail: usize,
    end: usize,
    memory: Box<[MaybeUninit<Line>]>,
    head: usize,
}

/// The first words of a record.
#[repr(C)]
struct Mark {
    nothing: *const Ops,
    since: [u8; size_of::<Stamp>()],
}

/// The words of a mark.
const MARK: usize = size_of::<Mark>() / size_of::<Word>();

const _: () = assert!(size_of::<Mark>() % size_of::<Word>() == 0);

/// A record that came out of a block, or that there was none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// A job, which is in the slot now.
    Job,
    /// The jobs after this have been waiting since then.
    Since(Stamp),
    /// Nothing: the block is empty.
    None,
}

impl Block {
    /// A block without memory, which is both empty and full.
    pub(crate) fn none() -> Self {
        Self { memory: Box::default(), tail: 0, end: 0, head: 0 }
    }

    /// A block of so many lines.
    #[cold]
    pub(crate) fn of(lines: usize) -> Self {
        Self { memory: Box::new_uninit_slice(lines), tail: 0, end: (lines - 1) * WORDS, head: 0 }
    }

    pub(crate) fn lines(&self) -> usize {
        self.memory.len()
    }

    /// Returns whether nothing can be put at the end.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.tail >= self.end
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.head == self.tail
    }

    /// Makes an empty block as good as new.
    pub(crate) fn rewind(&mut self) {
        if self.is_empty() {
            (self.head, self.tail) = (0, 0);
        }
    }
}

#[expect(unsafe_code, reason = "jobs of different length lie in one piece of memory")]
impl Block {
    /// Returns the address of a record.
    ///
    /// # Safety
    ///
    /// `place` is at most the size of the memory.
    #[inline]
    unsafe fn at(&self, place: usize) -> *const Word {
        // SAFETY: within the memory, or at its end, as the caller promises.
        unsafe { self.memory.as_ptr().cast::<Word>().add(place) }
    }

    /// The same to write there.
    ///
    /// # Safety
    ///
    /// As for `at`.
    #[inline]
    unsafe fn at_mut(&mut self, place: usize) -> *mut Word {
        // SAFETY: as in `at`.
        unsafe { self.memory.as_mut_ptr().cast::<Word>().add(place) }
    }

    /// Moves the job out of the slot to the end of the block, which is not full.
    #[expect(clippy::inline_always, reason = "measured: it is the whole of most submissions")]
    #[inline(always)]
    pub(crate) fn push(&mut self, slot: &mut Slot) {
        assert!(!self.is_full(), "a job is put where there is room");
        let job = slot.leave();
        // SAFETY:
        // - a whole line may be written there, as the record begins before `end`, and it is not part
        //   of a record, as it lies behind `tail`.
        // - the slot holds an initialised job, which is not used there again: it moves.
        // - aligned: a job is as a word is.
        unsafe {
            self.at_mut(self.tail).cast::<Job>().copy_from_nonoverlapping(job, 1);
            self.tail += (*job).ops.words;
        }
    }

    /// Notes at the end of the block, which is not full, since when the jobs behind have been waiting.
    pub(crate) fn push_since(&mut self, since: Stamp) {
        assert!(!self.is_full(), "a stamp is put where there is room");
        // SAFETY: as in `push`; a mark is no longer than a line.
        unsafe { self.at_mut(self.tail).cast::<Mark>().write(Mark::of(since)) }
        self.tail += MARK;
    }

    /// Moves the first job into the empty slot, or takes the first stamp out.
    #[expect(
        clippy::inline_always,
        reason = "measured: it is most of what a worker does for a job"
    )]
    #[inline(always)]
    pub(crate) fn pop(&mut self, slot: &mut Slot) -> Record {
        if self.is_empty() {
            return Record::None;
        }
        // SAFETY:
        // - a record begins at `head`, by the invariant, as the block is not empty.
        // - the copy of a whole job stays within the memory, as a record begins before `end`. What
        //   lies behind the record is not part of the job, and not read as such.
        // - the job is not used in the block again: `head` leaves it behind.
        unsafe {
            let record = self.at(self.head);
            let Some(ops) = record.cast::<*const Ops>().read().as_ref() else {
                return self.pop_since();
            };
            slot.enter().copy_from_nonoverlapping(record.cast::<Job>(), 1);
            self.head += ops.words;
        }
        Record::Job
    }

    /// Takes out the first record, which is a stamp.
    ///
    /// # Safety
    ///
    /// A stamp begins at `head`.
    #[cold]
    unsafe fn pop_since(&mut self) -> Record {
        // SAFETY: a stamp lies there, as the caller promises.
        let since = unsafe { (*self.at(self.head).cast::<Mark>()).since() };
        self.head += MARK;
        Record::Since(since)
    }

    /// Puts the job before the first one.
    ///
    /// # Errors
    ///
    /// The job, if there is no room before that.
    pub(crate) fn push_front(&mut self, job: Job) -> Result<(), Job> {
        let words = job.ops.words;
        if !self.makes_way(words) {
            return Err(job);
        }
        let mut slot = Slot::holding(job);
        let job = slot.leave();
        // SAFETY:
        // - `makes_way` has seen to so many words of memory behind `head`, which are part of no
        //   record. No more are written: behind them lies the first record.
        // - the slot holds an initialised job, which is not used there again: it moves.
        // - aligned: a job is as a word is.
        unsafe {
            self.at_mut(self.head)
                .cast::<MaybeUninit<Word>>()
                .copy_from_nonoverlapping(job.cast::<MaybeUninit<Word>>(), words);
        }
        Ok(())
    }

    /// Notes before the first job since when that has been waiting; false if there is no room.
    pub(crate) fn push_front_since(&mut self, since: Stamp) -> bool {
        if !self.makes_way(MARK) {
            return false;
        }
        // SAFETY: as in `push_front`.
        unsafe { self.at_mut(self.head).cast::<Mark>().write(Mark::of(since)) }
        true
    }

    /// Moves `head` back by so many words, for a record to be written there at once; false if there
    /// are not so many.
    fn makes_way(&mut self, words: usize) -> bool {
        if self.is_empty() {
            // All of the memory lies before the end.
            (self.head, self.tail) = (self.end, self.end);
        }
        let has_room = self.head >= words;
        if has_room {
            self.head -= words;
        }
        has_room
    }

    /// The jobs, the first one first.
    pub(crate) fn jobs(&self) -> impl Iterator<Item = &Job> {
        let mut next = self.head;
        std::iter::from_fn(move || {
            while next < self.tail {
                // SAFETY:
                // - a record begins at `next`, by the invariant. If it is a job, it lives as long as
                //   the block is borrowed.
                // - a whole job may be seen there, as a record begins before `end`; of what lies
                //   behind the record nothing is read, as that is not part of what the job carries.
                unsafe {
                    let record = self.at(next);
                    match record.cast::<*const Ops>().read().as_ref() {
                        None => next += MARK,
                        Some(ops) => {
                            next += ops.words;
                            return Some(&*record.cast::<Job>());
                        }
                    }
                }
            }
            None
        })
    }
}

impl Drop for Block {
    /// Drops the jobs, also behind one whose destructor panics.
    fn drop(&mut self) {
        struct Rest<'a>(&'a mut Block, Slot);
        impl Rest<'_> {
            fn drop_all(&mut self) {
                loop {
                    match self.0.pop(&mut self.1) {
                        Record::None => break,
                        Record::Since(_) => {}
                        Record::Job => drop(self.1.take()),
                    }
                }
            }
        }
        impl Drop for Rest<'_> {
            fn drop(&mut self) {
                self.drop_all();
            }
        }
        Rest(self, Slot::empty()).drop_all();
    }
}

impl Mark {
    fn of(Stamp(since): Stamp) -> Self {
        Self { nothing: std::ptr::null(), since: since.to_ne_bytes() }
    }

    fn since(&self) -> Stamp {
        Stamp(u64::from_ne_bytes(self.since))
    }
}
