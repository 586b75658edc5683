//! Reads a file in blocks of whole lines, parses the blocks on all cores and passes the results on in order.
//!
//! ```text
//! file ──> [block 1][block 2][block 3]…      one worker at a time cuts off the next block
//!              │        │        │           and queues where its result will come from
//!           worker   worker   worker         parse blocks, in parallel
//!              └────────┴────────┴──> consume(1), consume(2), consume(3), …   on the calling thread
//! ```
//!
//! Invariant: memory holds a few blocks and their results at a time, never the whole file (unless it is one
//! line).

use std::io::{self, Read};
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// About how many bytes a block has.
const BLOCK_BYTES: usize = 1 << 18;

/// More threads do not help, because a single thread consumes.
const MAX_THREADS: usize = 8;

/// Some whole lines of a file.
pub(crate) struct Block {
    pub bytes: Vec<u8>,
    /// Nothing follows it. Only then can its last line lack its newline.
    pub last: bool,
}

struct Source<R> {
    input: R,
    /// What was read and is not yet part of a block.
    rest: Vec<u8>,
    ended: bool,
}

impl<R: Read> Source<R> {
    /// The next block; the first one may be empty.
    fn next(&mut self) -> io::Result<Option<Block>> {
        if self.ended {
            return Ok(None);
        }
        let mut bytes = std::mem::take(&mut self.rest);
        let mut searched = 0;
        loop {
            let want = BLOCK_BYTES as u64;
            bytes.reserve(BLOCK_BYTES);
            self.ended = self.input.by_ref().take(want).read_to_end(&mut bytes)? < BLOCK_BYTES;
            if self.ended {
                break;
            }
            if let Some(position) = memchr::memrchr(b'\n', &bytes[searched..]) {
                self.rest = bytes.split_off(searched + position + 1);
                break;
            }
            searched = bytes.len();
        }
        Ok(Some(Block {
            bytes,
            last: self.ended,
        }))
    }
}

/// Parses all blocks of `input` with `parse` and consumes the results in order, until `consume` breaks.
///
/// # Errors
/// When the input cannot be read.
pub(crate) fn for_each_block<T: Send, B>(
    input: impl Read + Send,
    parse: impl Fn(Block) -> T + Sync,
    mut consume: impl FnMut(T) -> ControlFlow<B>,
) -> io::Result<Option<B>> {
    let mut source = Source {
        input,
        rest: Vec::new(),
        ended: false,
    };
    // A small file is done before threads would start.
    if let Some(block) = source.next()?
        && let ControlFlow::Break(reason) = consume(parse(block))
    {
        return Ok(Some(reason));
    }
    if source.ended {
        return Ok(None);
    }
    let threads = thread::available_parallelism()
        .map_or(2, usize::from)
        .min(MAX_THREADS);
    let (queue, results) = sync_channel::<Receiver<io::Result<T>>>(2 * threads);
    let shared = Mutex::new((source, Some(queue)));
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| work(&shared, &parse));
        }
        for result in results {
            match result.recv() {
                Ok(Ok(result)) => {
                    if let ControlFlow::Break(reason) = consume(result) {
                        return Ok(Some(reason));
                    }
                }
                Ok(Err(error)) => return Err(error),
                // The worker panicked; the scope propagates the panic.
                Err(_) => return Ok(None),
            }
        }
        Ok(None)
    })
}

/// The source of blocks, and the queue of their results; no queue once there is nothing more to read.
type Shared<R, T> = Mutex<(Source<R>, Option<SyncSender<Receiver<io::Result<T>>>>)>;

fn work<R: Read, T>(shared: &Shared<R, T>, parse: impl Fn(Block) -> T) {
    loop {
        let (block, answer) = {
            let mut guard = shared.lock().unwrap_or_else(PoisonError::into_inner);
            let (source, queue) = &mut *guard;
            let next = match queue {
                None => return,
                Some(_) => source.next().transpose(),
            };
            let (answer, result) = sync_channel(1);
            // Waits, with the lock held, while there are more results than the consumer has taken.
            let queued = queue
                .as_ref()
                .is_some_and(|queue| next.is_some() && queue.send(result).is_ok());
            if !queued || !matches!(next, Some(Ok(_))) {
                *queue = None;
            }
            match next {
                Some(block) if queued => (block, answer),
                _ => return,
            }
        };
        // The receiver is gone if the consumer has stopped early.
        let _ = answer.send(block.map(&parse));
    }
}
