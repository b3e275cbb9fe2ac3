//! The line to the browser: a websocket on loopback.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::process::Address;

/// The body of an answer comes as one message, half as long again.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// How long the browser may take to answer the telephone.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) struct Line {
    socket: WebSocketStream<TcpStream>,
}

impl Line {
    /// The error is for people.
    pub(crate) async fn open(address: &Address) -> Result<Line, String> {
        let open = async {
            let host = SocketAddr::from((Ipv4Addr::LOCALHOST, address.port));
            let stream = TcpStream::connect(host).await.map_err(|error| error.to_string())?;
            let config = WebSocketConfig::default()
                .max_message_size(Some(MESSAGE_BYTES_MAX))
                .max_frame_size(Some(MESSAGE_BYTES_MAX));
            let url = format!("ws://{host}{}", address.path);
            let opened = client_async_with_config(url, stream, Some(config)).await;
            opened.map(|(socket, _)| Line { socket }).map_err(|error| error.to_string())
        };
        timeout(CONNECT_TIMEOUT, open).await.unwrap_or_else(|_| Err("it does not answer".to_owned()))
    }

    /// `false`: the line is dead.
    pub(crate) async fn say(&mut self, text: String) -> bool {
        self.socket.send(Message::text(text)).await.is_ok()
    }

    /// The next message; `None` once the browser is gone.
    pub(crate) async fn hear(&mut self) -> Option<String> {
        loop {
            match self.socket.next().await? {
                Ok(Message::Text(text)) => return Some(text.as_str().to_owned()),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }
}
