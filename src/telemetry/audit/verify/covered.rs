//! What of a chain the gateway that wrote it vouches for, and what only one that found it there.
//!
//! A process begins a file of its own, and signs in it what it wrote itself. What stood unsigned at the end of
//! another's file it can only go on from, and so a signature in a later file must never be taken for one of that: neither
//! to believe that files were deleted, nor to call records genuine.

use crate::telemetry::audit::own::State;

/// Numbers of records, from the first to the last.
pub type Range = (u64, u64);

/// How far a chain is vouched for by checkpoints in the same file.
#[derive(Default)]
pub(super) struct Covered {
    /// Whether any checkpoint was signed: those that are not say nothing then.
    is_signed: bool,
    /// The last checkpoint's number.
    checkpoint: u64,
    /// Through which record files were deleted, as this file says, and as a checkpoint in the same file confirms.
    told: u64,
    deleted: u64,
    /// Records that the same process signed in its next file, if that is signed.
    unsettled: Option<Range>,
    stood_unsigned: Vec<Range>,
}

impl Covered {
    /// A file begins: what the one before told and did not sign is nobody's word.
    pub(super) fn opens(&mut self) {
        self.told = 0;
    }

    /// A record of this file tells that files were deleted.
    pub(super) fn tells_deleted(&mut self, through: u64) {
        self.told = self.told.max(through);
    }

    /// A checkpoint that was found right.
    pub(super) fn checkpoint(&mut self, seq: u64, is_signed: bool) {
        self.is_signed |= is_signed;
        if is_signed == self.is_signed {
            self.checkpoint = seq;
            self.deleted = self.deleted.max(self.told);
            self.unsettled = None;
        }
    }

    /// A file that another follows has ended, as that one says, with these records.
    pub(super) fn ends(&mut self, (first, last): Range, state: State) {
        // Whoever said that the process itself went on did not sign it.
        self.stood_unsigned.extend(self.unsettled.take());
        let left = (first.max(self.checkpoint + 1), last);
        if !self.is_signed || left.0 > left.1 {
            return;
        }
        match state {
            State::Failed => self.unsettled = Some(left),
            State::Killed | State::Closed | State::Damaged => self.stood_unsigned.push(left),
        }
    }

    /// Through which record files were deleted, by the word of who wrote the log.
    pub(super) fn deleted(&self) -> u64 {
        self.deleted
    }

    /// Records that stood unsigned when another process went on behind them.
    pub(super) fn into_unsigned(self) -> Vec<Range> {
        self.stood_unsigned
    }
}

#[cfg(test)]
mod tests {
    use super::{Covered, Range, State};

    /// Files by their checkpoints, whether those are signed, their last records and how they ended.
    fn unsigned(files: &[(&[u64], bool, Range, State)]) -> Vec<Range> {
        let mut covered = Covered::default();
        for (checkpoints, is_signed, records, state) in files {
            covered.opens();
            checkpoints.iter().for_each(|seq| covered.checkpoint(*seq, *is_signed));
            covered.ends(*records, *state);
        }
        covered.into_unsigned()
    }

    #[test]
    fn only_the_process_that_wrote_records_signs_them_in_its_next_file() {
        let last = (&[22_u64][..], true, (21, 22), State::Closed);
        let first = |state| (&[2_u64, 8][..], true, (1, 9), state);
        assert_eq!(unsigned(&[first(State::Killed), last]), [(9, 9)]);
        assert_eq!(unsigned(&[first(State::Failed), last]), []);
        // Who says that it went on itself did not sign that.
        let begun = (&[][..], true, (10, 10), State::Killed);
        assert_eq!(unsigned(&[first(State::Failed), begun, last]), [(9, 9), (10, 10)]);
        let by_nobody = (&[11_u64][..], false, (10, 20), State::Failed);
        assert_eq!(unsigned(&[first(State::Failed), by_nobody, last]), [(9, 9)]);
        // What nobody ever signs is not told apart.
        let never = (&[2_u64][..], false, (1, 9), State::Killed);
        assert_eq!(unsigned(&[never, (&[11], false, (10, 20), State::Killed)]), []);
    }

    #[test]
    fn that_files_were_deleted_is_signed_in_the_file_that_says_so() {
        let mut covered = Covered::default();
        covered.checkpoint(2, true);
        covered.tells_deleted(40);
        covered.ends((1, 3), State::Killed);
        covered.opens();
        covered.checkpoint(5, true);
        assert_eq!(covered.deleted(), 0);
        covered.tells_deleted(40);
        covered.checkpoint(7, false);
        assert_eq!(covered.deleted(), 0, "nobody signed it");
        covered.checkpoint(8, true);
        assert_eq!(covered.deleted(), 40);
    }
}
