//! Looks at every page of the console with Chromium, on four catalogs, and at the pages of clusters in each state, at
//! three widths and in two colours.
//! `tests/browser/run` starts it:
//!
//! `tidegate-browser DRIVER TIDEGATE FOLDER SCRATCH [PICTURE]`
//!
//! `DRIVER` is the address of chromedriver, `FOLDER` has axe-core and gets the pictures, and `SCRATCH` gets the
//! catalogs. With `PICTURE` it only makes that picture of the demo's board.

#![expect(clippy::disallowed_methods, reason = "a real server runs by the real clock")]

mod browser;
mod catalogs;
mod clusters;
mod look;
mod safety;
mod site;

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use tokio::sync::Mutex;

use browser::{Browser, Colours};
use catalogs::{Catalog, LONG_CHANNEL, LONG_HELD};
use look::{Page, Tools, look};
use site::Site;

/// How many browsers look at once.
const BROWSERS: usize = 2;

/// The width of the picture for the README. It ends below the first lines.
const PICTURE: u32 = 1200;
const PICTURE_END: &str = "
    document.documentElement.style.scrollbarGutter = 'auto';
    Math.ceil(document.querySelector('.lines').getBoundingClientRect().bottom) + 12";

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [driver, tidegate, folder, scratch, picture @ ..] = arguments.as_slice() else {
        bail!("start this with tests/browser/run");
    };
    let places = Places {
        driver: driver.clone(),
        tidegate: tidegate.into(),
        folder: folder.into(),
        scratch: scratch.into(),
    };
    match picture {
        [] => check(&places).await,
        [file, ..] => shoot(&places, Path::new(file)).await,
    }
}

struct Places {
    driver: String,
    tidegate: PathBuf,
    folder: PathBuf,
    scratch: PathBuf,
}

impl Places {
    async fn browser(&self, number: usize) -> anyhow::Result<Browser> {
        Browser::start(&self.driver, &self.scratch.join(format!("profile-{number}"))).await
    }

    fn scratch(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.scratch.join(name);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// The demo serves a copy of the catalog in the folder where this was started.
    fn demo(&self) -> anyhow::Result<Site> {
        let here = std::env::current_dir()?;
        let folder = self.scratch("demo")?;
        let path = |name: &str| here.join(name).display().to_string();
        let (channels, payloads) = (path("channels"), path("payloads"));
        Site::start(
            "demo",
            &self.tidegate,
            &folder,
            &["--demo", "--catalog", &channels, "--payloads", &payloads],
        )
    }

    /// Takes a release of the demo back, as the sample has none that was.
    fn yank(&self, version: &str) -> anyhow::Result<()> {
        let mut command = Command::new(&self.tidegate);
        let scratch = ["--catalog", "channels", "--payloads", "payloads", "--state", "state"];
        command.args(["release", "yank", version, "--reason", "eats data", "--by", "ada"]).args(scratch);
        let done = command.current_dir(self.scratch.join("demo/.tidegate/demo")).output()?;
        ensure!(done.status.success(), "cannot yank: {}", String::from_utf8_lossy(&done.stderr));
        Ok(())
    }
}

/// Makes the picture for the README.
async fn shoot(places: &Places, file: &Path) -> anyhow::Result<ExitCode> {
    let (demo, browser) = (places.demo()?, places.browser(0).await?);
    browser.set(PICTURE, Colours::Light).await?;
    browser.hide_scrollbars().await?;
    browser.load(&demo.url("/")).await?;
    let end = browser.evaluate(PICTURE_END).await?.as_u64().context("the board has no lines")?;
    fs::write(file, browser.picture(PICTURE, end).await?)?;
    browser.close().await?;
    Ok(ExitCode::SUCCESS)
}

async fn check(places: &Places) -> anyhow::Result<ExitCode> {
    let axe = places.folder.join("node_modules/axe-core/axe.min.js");
    let axe = fs::read_to_string(&axe).with_context(|| format!("cannot read {}", axe.display()))?;
    let shots = places.folder.join("shots");
    if shots.exists() {
        fs::remove_dir_all(&shots)?;
    }
    fs::create_dir_all(&shots)?;
    let tools = Arc::new(Tools { axe, shots });

    let start = Instant::now();
    let tidegate = &places.tidegate;
    let serve = |name, catalog: &Catalog| {
        Site::start(name, tidegate, &catalog.folder, &["--promote", "on", "--show-names"])
    };
    let demo = places.demo()?;
    let empty = serve("empty", &Catalog::empty(tidegate, &places.scratch("empty")?)?)?;
    let hostile = serve("hostile", &Catalog::hostile(tidegate, &places.scratch("hostile")?)?)?;
    let crowd = serve("crowd", &Catalog::crowd(tidegate, &places.scratch("crowd")?)?)?;
    places.yank("1.8.9-tectonic.3")?;
    let clusters =
        clusters::start(tidegate, &places.scratch("clusters")?, (&demo, &hostile), &places.scratch)?;
    eprintln!("four catalogs and the clusters are served after {} s", start.elapsed().as_secs());

    let sites = [&crowd, &hostile, &empty, &demo];
    // The demo comes last: it promotes a release in its first minute.
    let mut pages: Vec<Page> = sites.into_iter().flat_map(pages).collect();
    pages.extend(clusters.iter().flat_map(|cluster| cluster.pages.clone()));
    let mut wrong = Vec::new();
    for page in &pages {
        wrong.extend(
            safety::headers(page)?.into_iter().map(|one| format!("{} {}: {one}", page.site, page.name)),
        );
    }
    let count = pages.len();
    let queue = Arc::new(Mutex::new(VecDeque::from(pages)));
    let mut work = Vec::new();
    for number in 0..BROWSERS {
        let (browser, queue, tools) = (places.browser(number).await?, Arc::clone(&queue), Arc::clone(&tools));
        work.push(tokio::spawn(look_at_all(browser, queue, tools)));
    }
    for worker in work {
        wrong.extend(worker.await??);
    }
    let browser = places.browser(BROWSERS).await?;
    wrong.extend(safety::reflected(&browser, &demo).await?);
    let long = format!("/releases/{LONG_HELD}");
    let stored = ["/", "/calendar", "/history", "/releases/7.0.1", "/releases/7.0.2", &long];
    let stored: Vec<String> = stored.iter().map(|path| hostile.url(path)).collect();
    wrong.extend(safety::stored(&browser, &stored).await?);
    for page in clusters.iter().flat_map(|cluster| &cluster.pages).filter(|page| page.name == "hostile") {
        let url = format!("{}{}", page.origin, page.path);
        browser.set_cookie(&url, page.cookie.as_deref().unwrap_or_default()).await?;
        wrong.extend(safety::stored(&browser, &[url]).await?);
    }
    browser.close().await?;

    for one in &wrong {
        println!("{one}");
    }
    println!(
        "{count} pages, {} faults, after {} s; pictures are in {}",
        wrong.len(),
        start.elapsed().as_secs(),
        tools.shots.display()
    );
    Ok(if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Looks at pages until there are no more.
async fn look_at_all(
    browser: Browser,
    queue: Arc<Mutex<VecDeque<Page>>>,
    tools: Arc<Tools>,
) -> anyhow::Result<Vec<String>> {
    let mut wrong = Vec::new();
    loop {
        let Some(page) = queue.lock().await.pop_front() else { break };
        let start = Instant::now();
        // A page that cannot be looked at is a fault like others, so that the browser is closed and one sees them all.
        let found = look(&browser, &page, &tools).await.unwrap_or_else(|error| vec![format!("{error:#}")]);
        eprintln!("{} {}: {} faults, {} ms", page.site, page.name, found.len(), start.elapsed().as_millis());
        wrong.extend(found.into_iter().map(|one| format!("{} {}: {one}", page.site, page.name)));
    }
    browser.close().await?;
    Ok(wrong)
}

/// The pages of a catalog that are looked at. The demo has all of them, the others what differs there.
fn pages(site: &Site) -> Vec<Page> {
    let long_release = format!("/releases/{LONG_HELD}");
    let long_channel = format!("/channels/{LONG_CHANNEL}");
    let long_asked = format!("{long_channel}?version={LONG_HELD}");
    let pages: &[(&'static str, &str)] = match site.name {
        "demo" => &[
            ("board", "/"),
            ("calendar", "/calendar"),
            ("what-if", "/calendar?at=2100-01-01"),
            ("history", "/history"),
            ("filtered", "/history?what=yanked&line=1.8"),
            ("trust", "/trust"),
            ("status", "/status"),
            ("held", "/releases/1.10.2-demo.1"),
            ("waiting", "/releases/1.10.3-demo.1"),
            ("released", "/releases/1.8.9-tectonic.4"),
            ("yanked", "/releases/1.8.9-tectonic.3"),
            ("channel", "/channels/1.10-production"),
            ("asked", "/channels/1.8-production?version=1.7.3-tectonic.1"),
            ("unknown", "/channels/1.11-production"),
        ],
        "empty" => &[("board", "/"), ("calendar", "/calendar"), ("history", "/history"), ("trust", "/trust")],
        "hostile" => &[
            ("board", "/"),
            ("calendar", "/calendar"),
            ("history", "/history"),
            ("held", &long_release),
            ("markup", "/releases/7.0.1"),
            ("right-to-left", "/releases/8.0.1"),
            ("channel", &long_channel),
            ("paused", "/channels/8.0-production"),
            ("asked", &long_asked),
        ],
        _ => &[
            ("board", "/"),
            ("calendar", "/calendar"),
            ("history", "/history"),
            ("status", "/status"),
            ("overdue", "/releases/1.11.5-tectonic.1"),
            ("busy", "/channels/1.0-production"),
            ("retired", "/channels/1.5-production"),
            ("asked", "/channels/1.8-production?version=1.0.0-tectonic.1"),
        ],
    };
    let page = |(name, path): &(&'static str, &str)| Page {
        site: site.name,
        origin: format!("http://{}", site.address),
        name,
        path: (*path).to_owned(),
        is_error: *name == "unknown",
        cookie: None,
    };
    pages.iter().map(page).collect()
}
