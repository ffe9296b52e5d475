//! A real Redis (Debian's `redis-server`) that tests start and kill. It keeps nothing: what it counted is
//! gone with it.

use crate::eventually;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A Redis.
pub struct Redis {
    pub url: String,
    port: u16,
    folder: TempDir,
    process: Option<Child>,
}

impl Redis {
    pub async fn start() -> Self {
        // Free a moment ago; another may take it, and then Redis says so.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        let mut redis = Self { url: format!("redis://127.0.0.1:{port}/"), port, folder, process: None };
        redis.again().await;
        redis
    }

    /// Starts it again, empty.
    pub async fn again(&mut self) {
        let child = Command::new("redis-server")
            .args([
                "--bind",
                "127.0.0.1",
                "--port",
                &self.port.to_string(),
                "--save",
                "",
                "--appendonly",
                "no",
            ])
            .current_dir(self.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| panic!("redis-server: {e}: run by `cargo xtask test --all`"));
        self.process = Some(child);
        let client = redis::Client::open(self.url.as_str()).unwrap();
        eventually("Redis", || async {
            let mut connection = client.get_multiplexed_async_connection().await.ok()?;
            redis::cmd("PING").query_async::<String>(&mut connection).await.ok()
        })
        .await;
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.process.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
