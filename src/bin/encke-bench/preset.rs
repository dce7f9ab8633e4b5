//! The words of the servers we know. Every flag wins over its preset.

use super::args::Transport;

/// How one kind of server is spoken to. Empty texts mean: nothing is said, nothing is waited for.
pub struct Preset {
    pub name: &'static str,
    /// Path of a subscriber, WebSocket and everything else.
    pub ws_path: &'static str,
    pub http_path: &'static str,
    /// Path for `echo`.
    pub echo_path: &'static str,
    /// What the frame holds that must have come before we say anything.
    pub welcome: &'static str,
    /// The frame that subscribes.
    pub subscribe: &'static str,
    /// What a frame holds that says it is so.
    pub ready: &'static str,
    /// `POST /path` with the message as body, or a frame with `{message}` in it. Empty where neither will do.
    pub publish: &'static str,
}

/// All of them; the first is the default.
pub const PRESETS: [Preset; 5] = [
    Preset {
        name: "encke",
        ws_path: "/channels/{channel}",
        http_path: "/channels/{channel}",
        echo_path: "/echo",
        welcome: "",
        subscribe: "",
        ready: "",
        publish: "POST /channels/{channel}",
    },
    Preset {
        name: "comet",
        ws_path: "/ws/sesion=undefined&myid=undefined&devid=1&v=4.08&uuid={i}&api=js",
        http_path: "",
        echo_path: "",
        welcome: "",
        subscribe: "subscription\nweb_{channel}",
        ready: "authorized",
        publish: "web_pipe2\nweb_{channel}\nbench\n*\n\"{message}\"",
    },
    Preset {
        name: "pusher",
        ws_path: "/app/key?protocol=7&client=encke-bench&version=1",
        http_path: "",
        echo_path: "",
        welcome: "pusher:connection_established",
        subscribe: r#"{"event":"pusher:subscribe","data":{"auth":"","channel":"{channel}"}}"#,
        ready: "pusher_internal:subscription_succeeded",
        // Frames reach private channels only, whose subscribers must sign, and each POST is signed.
        publish: "",
    },
    Preset {
        name: "nchan",
        ws_path: "/sub/{channel}",
        http_path: "/sub/{channel}",
        echo_path: "",
        welcome: "",
        subscribe: "",
        ready: "",
        publish: "POST /pub/{channel}",
    },
    Preset {
        name: "ws",
        ws_path: "/",
        http_path: "",
        echo_path: "/",
        welcome: "",
        subscribe: "",
        ready: "",
        publish: "{message}",
    },
];

impl Preset {
    /// Whether WebSockets are all it has.
    pub fn is_ws_only(&self) -> bool {
        self.http_path.is_empty()
    }

    /// The path of a subscriber, `None` where this server has no such transport.
    pub fn path(&self, transport: Transport, is_echo: bool) -> Option<String> {
        let path = match transport {
            Transport::WebSocket if is_echo => self.echo_path,
            Transport::WebSocket => self.ws_path,
            _ => self.http_path,
        };
        let query = match (self.name, transport) {
            // It wants no query but headers of its own (TE: chunked).
            ("nchan", Transport::Stream) => return None,
            ("encke", Transport::Poll) => "?transport=poll",
            ("encke", Transport::Stream) => "?transport=stream",
            _ => "",
        };
        (!path.is_empty()).then(|| format!("{path}{query}"))
    }
}
