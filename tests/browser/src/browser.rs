//! A browser, driven through chromedriver.

use std::path::Path;

use anyhow::{Context as _, anyhow, bail, ensure};
use base64ct::{Base64, Encoding as _};
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

/// What the browser prefers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colours {
    Light,
    Dark,
}

impl Colours {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

pub struct Browser {
    client: Client,
}

/// What a page did while it was loaded.
#[derive(Debug, Default)]
pub struct Loaded {
    /// What the console logged.
    pub logged: Vec<String>,
    pub requested: Vec<String>,
}

impl Browser {
    /// Starts a browser with a new profile in this folder.
    pub async fn start(driver: &str, profile: &Path) -> anyhow::Result<Self> {
        let capabilities = json!({
            "browserName": "chrome",
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
            "goog:chromeOptions": { "args": [
                "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
                "--disable-dev-shm-usage",
                format!("--user-data-dir={}", profile.display()),
            ] },
        });
        let Value::Object(capabilities) = capabilities else { bail!("capabilities are an object") };
        let client =
            ClientBuilder::new(HttpConnector::new()).capabilities(capabilities).connect(driver).await;
        Ok(Self { client: client.context("cannot start a browser")? })
    }

    pub async fn close(self) -> anyhow::Result<()> {
        Ok(self.client.close().await?)
    }

    /// Loads a page, and returns what it did.
    pub async fn load(&self, url: &str) -> anyhow::Result<Loaded> {
        self.logs().await?;
        self.client.goto(url).await.with_context(|| format!("cannot load {url}"))?;
        self.logs().await
    }

    /// What was logged since the last time.
    pub async fn logs(&self) -> anyhow::Result<Loaded> {
        let mut loaded = Loaded::default();
        for entry in self.log("browser").await? {
            loaded.logged.push(format!("{}: {}", entry["level"], entry["message"]));
        }
        for entry in self.log("performance").await? {
            let entry: Value = serde_json::from_str(entry["message"].as_str().unwrap_or_default())?;
            let message = &entry["message"];
            if message["method"] == "Network.requestWillBeSent" {
                loaded.requested.extend(message["params"]["request"]["url"].as_str().map(str::to_owned));
            }
        }
        Ok(loaded)
    }

    async fn log(&self, kind: &str) -> anyhow::Result<Vec<Value>> {
        let found = self.client.issue_cmd(Command { path: "se/log", body: json!({ "type": kind }) }).await?;
        Ok(found.as_array().cloned().unwrap_or_default())
    }

    /// Sets the width of the window, and the colours that are preferred.
    pub async fn set(&self, width: u32, colours: Colours) -> anyhow::Result<()> {
        let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await?;
        // Without motion, as colours that still change would be measured and pictured.
        let features = json!([
            { "name": "prefers-color-scheme", "value": colours.name() },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await?;
        Ok(())
    }

    /// Sets the cookie of an address, `NAME=VALUE`.
    pub async fn set_cookie(&self, url: &str, cookie: &str) -> anyhow::Result<()> {
        let (name, value) = cookie.split_once('=').context("a cookie has a name")?;
        let cookie =
            json!({ "url": url, "name": name, "value": value, "httpOnly": true, "sameSite": "Strict" });
        let set = self.devtools("Network.setCookie", cookie).await?;
        ensure!(set["success"] == true, "the browser does not take the cookie: {set}");
        Ok(())
    }

    pub async fn set_scripts(&self, on: bool) -> anyhow::Result<()> {
        self.devtools("Emulation.setScriptExecutionDisabled", json!({ "value": !on })).await?;
        Ok(())
    }

    /// Returns the value of an expression, or what its promise resolves to. Neither the page's policy nor switched off
    /// scripts keep this from running.
    pub async fn evaluate(&self, expression: &str) -> anyhow::Result<Value> {
        let ask = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut reply = self.devtools("Runtime.evaluate", ask).await?;
        if let Some(thrown) = reply.get("exceptionDetails") {
            bail!("a script failed: {thrown}");
        }
        Ok(reply["result"]["value"].take())
    }

    /// The same for an expression that returns texts.
    pub async fn texts(&self, expression: &str) -> anyhow::Result<Vec<String>> {
        let value = self.evaluate(expression).await?;
        Ok(serde_json::from_value(value)?)
    }

    pub async fn hide_scrollbars(&self) -> anyhow::Result<()> {
        self.devtools("Emulation.setScrollbarsHidden", json!({ "hidden": true })).await?;
        Ok(())
    }

    pub async fn press_tab(&self) -> anyhow::Result<()> {
        let key = json!({ "type": "rawKeyDown", "key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9 });
        self.devtools("Input.dispatchKeyEvent", key).await?;
        Ok(())
    }

    /// A picture of the page, as PNG. `height` bounds it.
    pub async fn picture(&self, width: u32, height: u64) -> anyhow::Result<Vec<u8>> {
        let whole = self.evaluate("document.documentElement.scrollHeight").await?.as_u64().unwrap_or(900);
        let clip = json!({ "x": 0, "y": 0, "width": width, "height": whole.min(height), "scale": 1 });
        let ask = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let reply = self.devtools("Page.captureScreenshot", ask).await?;
        let data = reply["data"].as_str().context("the reply has no picture")?;
        Base64::decode_vec(data).map_err(|_| anyhow!("the picture is not in base64"))
    }

    async fn devtools(&self, command: &str, parameters: Value) -> anyhow::Result<Value> {
        let body = json!({ "cmd": command, "params": parameters });
        let reply = self.client.issue_cmd(Command { path: "goog/cdp/execute", body }).await;
        reply.with_context(|| format!("cannot do `{command}`"))
    }
}

/// A command of chromedriver that WebDriver does not have.
#[derive(Debug)]
struct Command {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Command {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.body.to_string()))
    }
}
