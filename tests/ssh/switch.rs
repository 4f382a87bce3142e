//! A port on loopback that leads to one server, and from some moment on to another: whoever sits on the wire.

use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

/// Where the port leads, and the ports connections were led to so far.
#[derive(Default)]
struct Points {
    to: u16,
    led: Vec<u16>,
}

/// The switch. Connections that stand stay where they are.
pub struct Switch {
    /// The port to connect to.
    pub port: u16,
    points: Arc<Mutex<Points>>,
}

impl Switch {
    /// One that leads to a port of this machine.
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let points = Arc::new(Mutex::new(Points { to: port, led: vec![] }));
        let shared = Arc::clone(&points);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let to = {
                    let mut points = shared.lock().unwrap();
                    let to = points.to;
                    points.led.push(to);
                    to
                };
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(("127.0.0.1", to)).await?;
                    copy_bidirectional(&mut near, &mut far).await
                });
            }
        });
        Self { port: own, points }
    }

    /// New connections lead to another port from now on.
    pub fn turn_to(&self, port: u16) {
        self.points.lock().unwrap().to = port;
    }

    /// How many connections were led to a port.
    pub fn connections_to(&self, port: u16) -> usize {
        self.points.lock().unwrap().led.iter().filter(|led| **led == port).count()
    }
}
