// SPDX-License-Identifier: GPL-2.0-only
//! Any order of steps, with an honest backend and a lying one.
use super::*;
use proptest::prelude::*;

/// Sectors of the largest request.
const MOST_SECTORS: usize = MAX_INDIRECT_SEGMENTS * SECTORS_PER_PAGE as usize;

/// What may happen to a queue.
#[derive(Clone, Debug)]
enum Step {
    Submit(usize, bool, usize),
    Flush(usize),
    Commit,
    Answer(usize, i16),
    Lie(u64, u8),
    Collect,
}

fn step(hostile: bool) -> impl Strategy<Value = Step> {
    let honest = prop_oneof![
        (
            0..DEPTH,
            any::<bool>(),
            prop_oneof![1usize..=88, 1..=MOST_SECTORS + 8]
        )
            .prop_map(|(t, w, s)| Step::Submit(t, w, s * 512)),
        (0..DEPTH).prop_map(Step::Flush),
        Just(Step::Commit),
        (0..DEPTH, -3i16..2).prop_map(|(n, status)| Step::Answer(n, status)),
        Just(Step::Collect),
    ];
    match hostile {
        false => honest.boxed(),
        true => prop_oneof![
            8 => honest,
            1 => (prop_oneof![0..40u64, any::<u64>()], any::<u8>()).prop_map(|(id, op)| Step::Lie(id, op)),
        ]
        .boxed(),
    }
}

/// The model: which tokens are out, which requests the backend has seen.
struct Model {
    queue: TestQueue,
    back: Back,
    next_token: u32,
    out: Vec<(usize, u32)>,
    seen: Vec<BlkifRequest>,
    ended: Vec<u32>,
    violated: bool,
}

impl Model {
    fn new(index: u32) -> Self {
        let (mut queue, back, _) = pair_at(index);
        // What is in the pages is not looked at here, so one does for all.
        let page = SharedMemory::zeroed(PAGE_SIZE);
        for tag in 0..DEPTH {
            queue.set_indirect(tag, IndirectPage::new(page.clone(), indirect_gref(tag)));
        }
        Self {
            queue,
            back,
            next_token: 0,
            out: Vec::new(),
            seen: Vec::new(),
            ended: Vec::new(),
            violated: false,
        }
    }

    fn run(&mut self, step: &Step) {
        match *step {
            Step::Submit(tag, write, bytes) => {
                let way = if write {
                    Direction::Write
                } else {
                    Direction::Read
                };
                let token = self.next_token;
                let result = self
                    .queue
                    .submit(tag, way, tag as u64, bytes, &grefs(tag), token);
                self.submitted(tag, token, bytes <= MOST_SECTORS * 512, result);
            }
            Step::Flush(tag) => {
                let token = self.next_token;
                let result = self.queue.submit_flush(tag, token);
                self.submitted(tag, token, true, result);
            }
            Step::Commit => {
                let _ = self.queue.commit();
                while let Some(request) = self.back.next_request().unwrap() {
                    self.seen.push(request);
                }
            }
            Step::Answer(n, status) => {
                if n < self.seen.len() {
                    let request = self.seen.swap_remove(n);
                    let response = BlkifResponse::new(request.id(), asked(&request), status);
                    // A lie before may have used up this answer's place.
                    if self.back.push_response(&response).is_ok() {
                        let _ = self.back.push_responses_and_check_notify();
                    }
                }
            }
            Step::Lie(id, operation) => {
                if self
                    .back
                    .push_response(&BlkifResponse::new(id, operation, RSP_OKAY))
                    .is_ok()
                {
                    let _ = self.back.push_responses_and_check_notify();
                }
            }
            Step::Collect => self.collect(),
        }
    }

    fn collect(&mut self) {
        let (done, result) = collect(&mut self.queue);
        self.violated |= result.is_err();
        for (token, _) in done {
            self.end(token);
        }
    }

    /// A broken queue takes anything: it gives it back later.
    fn submitted(&mut self, tag: usize, token: u32, fits: bool, result: Result<(), u32>) {
        let taken = self.out.iter().any(|(other, _)| *other == tag);
        let fits = fits || self.violated;
        assert_eq!(result, if taken || !fits { Err(token) } else { Ok(()) });
        if result.is_ok() {
            self.out.push((tag, token));
            self.next_token += 1;
        }
    }

    fn end(&mut self, token: u32) {
        let at = self.out.iter().position(|(_, other)| *other == token);
        self.out.swap_remove(at.expect("a token that is not out"));
        self.ended.push(token);
    }

    /// In the end every token has come back exactly once.
    fn finish(mut self) {
        for token in taken_back(&mut self.queue) {
            self.end(token);
        }
        assert!(self.out.is_empty());
        self.ended.sort_unstable();
        assert_eq!(self.ended, (0..self.next_token).collect::<Vec<_>>());
    }
}

proptest! {
    #[test]
    fn an_honest_backend_is_never_accused(
        near_wrap in 0u32..64,
        steps in proptest::collection::vec(step(false), 0..200),
    ) {
        let mut model = Model::new(0u32.wrapping_sub(near_wrap));
        for step in &steps {
            model.run(step);
            prop_assert!(!model.violated);
        }
        model.finish();
    }

    #[test]
    fn no_token_is_lost_or_doubled_whatever_the_backend_says(
        index: u32,
        steps in proptest::collection::vec(step(true), 0..200),
    ) {
        let mut model = Model::new(index);
        for step in &steps {
            model.run(step);
        }
        model.finish();
    }

    #[test]
    fn segments_cover_the_data_exactly(sectors in 1usize..=MOST_SECTORS, tag in 0..DEPTH) {
        let (mut queue, mut back, _) = pair();
        let pages = allow_indirect(&mut queue);
        queue.submit(tag, Direction::Write, 0, sectors * 512, &grefs(tag), 0).unwrap();
        let _ = queue.commit();
        let request = back.next_request().unwrap().unwrap();
        let used = segments_of(&request, &pages);
        prop_assert_eq!(request.operation() == OP_INDIRECT, sectors > MAX_DIRECT_BYTES / 512);
        prop_assert_eq!(queue.counters().pages, used.len() as u64);
        let total: usize = used.iter().map(|s| usize::from(s.last_sect - s.first_sect) + 1).sum();
        prop_assert_eq!(total, sectors);
        for (at, segment) in used.iter().enumerate() {
            prop_assert_eq!(segment.gref, grefs(tag)[at]);
            prop_assert_eq!(segment.first_sect, 0);
            prop_assert!(segment.last_sect < SECTORS_PER_PAGE);
        }
    }
}
