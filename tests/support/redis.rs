//! Redis servers of one's own: each on a free port, in a folder of its own, ended with this program.

use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

/// Ends the server when nobody holds the other end of its input, however that came about.
const SHELL: &str = r#"redis-server "$@" & read -r _; kill -9 $!; wait $! 2>/dev/null"#;

/// A server. It ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    pub port: u16,
    folder: TempDir,
    child: Option<Child>,
}

/// A free port below those that the system gives to connections, with another one 10,000 above it, which a server of a
/// cluster takes too.
fn free_port() -> u16 {
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    loop {
        let port = 10_000 + u16::try_from(RandomState::new().hash_one(()) % 12_000).unwrap();
        if is_free(port) && is_free(port + 10_000) {
            return port;
        }
    }
}

impl Server {
    pub fn start(settings: &[&str]) -> Self {
        let mut server = Self { port: free_port(), folder: tempfile::tempdir().unwrap(), child: None };
        server.restart(settings);
        server
    }

    /// Starts it again, on what it has left.
    pub fn restart(&mut self, settings: &[&str]) {
        self.kill();
        let port = self.port.to_string();
        let folder = self.folder.path().to_str().unwrap();
        let own = ["--port", &port, "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--loglevel", "notice"];
        let mut command = Command::new("sh");
        command.args(["-c", SHELL, "sh"]).args(own).args(settings);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        wait_for(child.stdout.take().unwrap(), "Ready to accept connections");
        self.child = Some(child);
    }

    pub fn kill(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        drop(child.stdin.take());
        child.wait().unwrap();
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// What it says to a command.
    pub fn ask(&self, command: &[&str]) -> String {
        let output = Command::new("redis-cli").args(["-p", &self.port.to_string()]).args(command).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Reads on after it was found: a server that cannot log does not go on.
fn wait_for(output: ChildStdout, text: &str) {
    let mut lines = BufReader::new(output).lines();
    let mut log = String::new();
    loop {
        let line =
            lines.next().unwrap_or_else(|| panic!("redis-server is not installed or did not start:\n{log}")).unwrap();
        if line.contains(text) {
            break;
        }
        log += &line;
    }
    thread::spawn(move || lines.for_each(drop));
}

/// Three servers that share the slots of one cluster.
#[derive(Debug)]
pub struct Cluster(pub Vec<Server>);

impl Cluster {
    pub fn start() -> Self {
        let settings = ["--cluster-enabled", "yes", "--cluster-node-timeout", "5000", "--appendonly", "yes"];
        let servers: Vec<Server> = (0..3).map(|_| Server::start(&settings)).collect();
        let addresses: Vec<String> = servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
        let made = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(addresses)
            .arg("--cluster-yes")
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        while !servers.iter().all(|server| server.ask(&["CLUSTER", "INFO"]).contains("cluster_state:ok")) {
            thread::sleep(Duration::from_millis(50));
        }
        Self(servers)
    }

    pub fn urls(&self) -> Vec<String> {
        self.0.iter().map(Server::url).collect()
    }
}

/// The server that tests share which do nothing to it.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(&[]))
}

/// The cluster that tests share which do nothing to it.
pub fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(Cluster::start)
}

/// A prefix that no other test has.
pub fn new_prefix() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("place-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}
