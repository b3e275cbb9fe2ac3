//! One connection, and an answer's way through it.
//!
//! A [`Line`] can be cut: from then on no byte passes, and the client sees a connection that ended. And it knows
//! when an answer has reached the socket, which the layers above do not tell.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Sleep, sleep};

use crate::faults::{What, Wire as Trouble};
use crate::message::Framing;

/// A port that people come in by.
pub(super) struct Door {
    listener: TcpListener,
}

impl Door {
    pub(super) fn open(listener: std::net::TcpListener) -> io::Result<Door> {
        Ok(Door { listener: TcpListener::from_std(listener)? })
    }
}

impl Listener for Door {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    // Small answers must not wait for each other; if it cannot be set they only come later.
                    let _ = stream.set_nodelay(true);
                    return (Wire { stream, line: Line::default() }, address);
                }
                // A client that has gone again, or no free descriptor: both pass.
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// What the handler holds of a connection.
#[derive(Clone, Default)]
pub(super) struct Line {
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    is_cut: AtomicBool,
    is_reset: AtomicBool,
    instead: Mutex<Option<Bytes>>,
    /// The last byte of the answer has been given to the connection.
    is_body_done: AtomicBool,
    when_answered: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Line {
    /// Ends the connection with whatever has not left yet.
    pub(super) fn cut(&self) {
        self.state.is_cut.store(true, Ordering::SeqCst);
    }

    /// The same, with a reset: what the client has not read yet is lost to it too.
    pub(super) fn reset(&self) {
        self.state.is_reset.store(true, Ordering::SeqCst);
        self.cut();
    }

    /// These bytes leave in place of the next answer, then the connection ends.
    pub(super) fn say_instead(&self, bytes: Vec<u8>) {
        *self.state.instead.lock().unwrap_or_else(PoisonError::into_inner) = Some(bytes.into());
    }

    /// Calls this once the answer that follows has reached the socket.
    pub(super) fn when_answered(&self, call: impl FnOnce() + Send + 'static) {
        self.state.is_body_done.store(false, Ordering::SeqCst);
        *self.state.when_answered.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(call));
    }

    fn body_is_done(&self) {
        self.state.is_body_done.store(true, Ordering::SeqCst);
    }

    fn flushed(&self) {
        if self.state.is_body_done.load(Ordering::SeqCst) {
            let call = self.state.when_answered.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(call) = call {
                call();
            }
        }
    }

    fn check(&self) -> io::Result<()> {
        match self.state.is_cut.load(Ordering::SeqCst) {
            true => Err(io::ErrorKind::ConnectionReset.into()),
            false => Ok(()),
        }
    }
}

impl Connected<IncomingStream<'_, Door>> for Line {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Line {
        stream.io().line.clone()
    }
}

/// A socket with its line.
pub(super) struct Wire {
    stream: TcpStream,
    line: Line,
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.line.check()?;
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.line.check()?;
        let state = self.line.state.clone();
        let mut instead = state.instead.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(rest) = instead.as_mut() else {
            return Pin::new(&mut self.stream).poll_write(cx, bytes);
        };
        while !rest.is_empty() {
            let count = ready!(Pin::new(&mut self.stream).poll_write(cx, rest))?;
            let _ = rest.split_to(count);
        }
        self.line.cut();
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.line.check()?;
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.line.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.line.state.is_reset.load(Ordering::SeqCst) {
            // Without it the connection ends in peace, which is trouble enough.
            let _ = self.stream.set_zero_linger();
        }
    }
}

/// The pieces that a slow body arrives in.
const SLOW_PIECES: u32 = 20;

static BLANKS: [u8; 64 << 10] = [b' '; 64 << 10];

/// How long half of a body may take to leave before the connection ends.
const BEFORE_CUT: Duration = Duration::from_millis(50);

/// An answer's body on its way.
pub(super) struct Answer {
    rest: Bytes,
    framing: Framing,
    piece_bytes: usize,
    pause: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    /// The connection ends when this much is left.
    cut_at: Option<usize>,
    /// It does not end there, and nothing more comes.
    falls_silent: bool,
    blanks: usize,
    line: Line,
}

impl Answer {
    pub(super) fn new(body: Vec<u8>, framing: Framing, fault: Option<&What>, line: Line) -> Answer {
        let pause = match fault {
            Some(What::SlowBody(total)) => *total / SLOW_PIECES,
            _ => Duration::ZERO,
        };
        let piece_bytes = match fault {
            Some(What::SlowBody(_)) => body.len().div_ceil(SLOW_PIECES as usize).max(1),
            _ => 64 << 10,
        };
        let falls_silent = matches!(fault, Some(What::Wire(Trouble::SilentBody)));
        let cut_at = (falls_silent || matches!(fault, Some(What::CutBody))).then_some(body.len() / 2);
        let blanks = match fault {
            Some(What::Wire(Trouble::Blanks(bytes))) => *bytes,
            _ => 0,
        };
        let framing = if blanks > 0 { Framing::Chunked } else { framing };
        if body.is_empty() && cut_at.is_none() && blanks == 0 {
            line.body_is_done();
        }
        Answer {
            rest: body.into(),
            framing,
            piece_bytes,
            pause,
            sleep: None,
            cut_at,
            falls_silent,
            blanks,
            line,
        }
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(sleep) = &mut self.sleep {
            ready!(sleep.as_mut().poll(cx));
            self.sleep = None;
        }
        if self.cut_at == Some(self.rest.len()) {
            if self.falls_silent {
                return Poll::Pending;
            }
            self.line.cut();
            return Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into())));
        }
        if self.rest.is_empty() && self.blanks > 0 {
            let count = self.blanks.min(BLANKS.len());
            self.blanks -= count;
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&BLANKS[..count])))));
        }
        if self.rest.is_empty() {
            self.line.body_is_done();
            return Poll::Ready(None);
        }
        let until_cut = self.rest.len() - self.cut_at.unwrap_or(0);
        let length = self.piece_bytes.min(until_cut);
        let piece = self.rest.split_to(length);
        if self.rest.is_empty() && self.blanks == 0 {
            self.line.body_is_done();
        }
        let pause = if self.cut_at == Some(self.rest.len()) { BEFORE_CUT } else { self.pause };
        if !pause.is_zero() {
            self.sleep = Some(Box::pin(sleep(pause)));
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.cut_at.is_none() && self.blanks == 0
    }

    fn size_hint(&self) -> SizeHint {
        match self.framing {
            Framing::Sized => SizeHint::with_exact(self.rest.len() as u64),
            Framing::Chunked => SizeHint::default(),
        }
    }
}
