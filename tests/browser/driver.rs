//! As much of the WebDriver protocol (W3C WebDriver, June 2018) as these tests need. A crate for it brings
//! some twenty others, and not Chromium's own command that reads the console.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use serde_json::{Value, json};

use super::missing::missing;

const WAIT: Duration = Duration::from_secs(20);

/// A chromedriver of our own, ended with the test.
pub struct Driver {
    child: Child,
    url: String,
    http: reqwest::Client,
    /// Removed after it has ended.
    _directory: tempfile::TempDir,
}

/// A window of a browser.
pub struct Page<'a> {
    driver: &'a Driver,
    session: String,
}

impl Driver {
    /// Nothing where there is no chromedriver.
    pub fn start() -> Option<Driver> {
        // Only once a process; the second time it is there already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Browsers leave profiles and sockets behind.
        let directory = tempfile::tempdir().unwrap();
        let child = Command::new("chromedriver")
            .arg("--port=0")
            .env("TMPDIR", directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut child = match child {
            Ok(child) => child,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                missing("chromedriver", "it is not on the PATH");
                return None;
            }
            Err(error) => panic!("chromedriver: {error}"),
        };
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port: u16 = lines
            .find_map(|line| {
                line.unwrap()
                    .split("successfully on port ")
                    .nth(1)?
                    .trim_end_matches('.')
                    .trim()
                    .parse()
                    .ok()
            })
            .expect("chromedriver says its port");
        // It goes on writing, and must not be stopped by a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Some(Driver {
            child,
            _directory: directory,
            url: format!("http://127.0.0.1:{port}"),
            http: reqwest::Client::builder()
                .timeout(Duration::from_secs(60))
                .no_proxy()
                .build()
                .unwrap(),
        })
    }

    pub async fn page(&self) -> Page<'_> {
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": {
                "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,1400"],
            },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let session = self.post("session", &capabilities).await;
        let session = session["sessionId"].as_str().expect("a session").to_owned();
        Page {
            driver: self,
            session,
        }
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        let answer = self
            .http
            .post(format!("{}/{path}", self.url))
            .json(body)
            .send()
            .await;
        let answer: Value = answer.unwrap().json().await.unwrap();
        assert!(
            answer["value"].get("error").is_none(),
            "{path} {body}: {answer:#}"
        );
        answer["value"].clone()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Killed, it would leave its browsers behind; asked, it ends them first.
        if let Ok(mut stream) = TcpStream::connect(self.url.trim_start_matches("http://")) {
            let _ = stream.set_read_timeout(Some(WAIT));
            let _ =
                stream.write_all(b"GET /shutdown HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            let _ = stream.read_to_end(&mut Vec::new());
        }
        let deadline = Instant::now() + WAIT;
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Page<'_> {
    async fn post(&self, command: &str, body: Value) -> Value {
        self.driver
            .post(&format!("session/{}/{command}", self.session), &body)
            .await
    }

    pub async fn go(&self, url: &str) {
        self.post("url", json!({ "url": url })).await;
    }

    /// What a script returns.
    pub async fn eval(&self, script: &str) -> Value {
        self.post("execute/sync", json!({ "script": script, "args": [] }))
            .await
    }

    /// What an element of the page says.
    pub async fn text(&self, selector: &str) -> String {
        let script = format!("return document.querySelector({}).innerText", json!(selector));
        self.eval(&script).await.as_str().expect("text").to_owned()
    }

    /// Waits until a script returns true.
    pub async fn wait(&self, condition: &str) {
        let deadline = Instant::now() + WAIT;
        while self.eval(&format!("return {condition}")).await != json!(true) {
            assert!(Instant::now() < deadline, "not within {WAIT:?}: {condition}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A real click of the mouse on the middle of an element.
    pub async fn click(&self, selector: &str) {
        let script = format!(
            "const e = document.querySelector({}); e.scrollIntoView({{block: 'center'}}); const b = e.getBoundingClientRect();
             return {{x: b.left + b.width / 2, y: b.top + b.height / 2}}",
            json!(selector)
        );
        let at = self.eval(&script).await;
        self.click_at(&at).await;
    }

    /// A real click on a point of the window, `{x, y}`.
    pub async fn click_at(&self, at: &Value) {
        let to = |value: &Value| value.as_f64().expect("a number").round();
        let mouse = json!({ "type": "pointer", "id": "mouse", "actions": [
            { "type": "pointerMove", "duration": 0, "x": to(&at["x"]), "y": to(&at["y"]) },
            { "type": "pointerDown", "button": 0 },
            { "type": "pointerUp", "button": 0 },
        ] });
        self.post("actions", json!({ "actions": [mouse] })).await;
    }

    /// Real keys, to whatever has the focus.
    pub async fn keys(&self, keys: &str) {
        let press = |key: char| {
            [
                json!({ "type": "keyDown", "value": key }),
                json!({ "type": "keyUp", "value": key }),
            ]
        };
        let actions: Vec<Value> = keys.chars().flat_map(press).collect();
        self.post(
            "actions",
            json!({ "actions": [{ "type": "key", "id": "keys", "actions": actions }] }),
        )
        .await;
    }

    /// Chromium's own protocol.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.post(
            "goog/cdp/execute",
            json!({ "cmd": command, "params": parameters }),
        )
        .await
    }

    /// Keeps what the window shows as a picture.
    pub async fn screenshot(&self, name: &str) {
        let url = format!("{}/session/{}/screenshot", self.driver.url, self.session);
        let answer: Value = self
            .driver
            .http
            .get(url)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let picture = answer["value"].as_str().expect("a picture in Base64");
        let picture = base64::engine::general_purpose::STANDARD.decode(picture).unwrap();
        let directory = screenshots();
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join(format!("{name}.png")), picture).unwrap();
    }

    /// What the console got since it was asked last, of warnings and errors.
    pub async fn complaints(&self) -> Vec<String> {
        let entries = self.post("se/log", json!({ "type": "browser" })).await;
        let entries = entries.as_array().expect("a list").iter();
        let bad = entries
            .filter(|entry| ["WARNING", "SEVERE"].contains(&entry["level"].as_str().unwrap_or_default()));
        bad.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    pub async fn close(self) {
        let url = format!("{}/session/{}", self.driver.url, self.session);
        self.driver.http.delete(url).send().await.unwrap();
    }
}

/// Where pictures are kept.
pub fn screenshots() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots")
}
