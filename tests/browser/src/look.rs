//! What must hold for a page.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;

use crate::browser::{Browser, Colours, Loaded};

/// The widths that pages are looked at.
pub const WIDTHS: [u32; 3] = [390, 1024, 1600];

/// The highest picture. A longer page is cut off there.
const HIGHEST: u64 = 6000;

/// A page to look at.
#[derive(Debug, Clone)]
pub struct Page {
    pub site: &'static str,
    pub origin: String,
    /// For people, and in the names of pictures.
    pub name: &'static str,
    pub path: String,
    /// Whether the reply is an error, which the browser logs.
    pub is_error: bool,
    /// The cookie of its session, `NAME=VALUE`.
    pub cookie: Option<String>,
}

/// What all looks share.
pub struct Tools {
    pub axe: String,
    pub shots: PathBuf,
}

/// Looks at a page at every width and in both colours, and returns what is wrong.
pub async fn look(browser: &Browser, page: &Page, tools: &Tools) -> anyhow::Result<Vec<String>> {
    let mut wrong = Vec::new();
    let url = format!("{}{}", page.origin, page.path);
    if let Some(cookie) = &page.cookie {
        browser.set_cookie(&url, cookie).await?;
    }
    let loaded = browser.load(&url).await?;
    wrong.extend(behaviour(page, &url, &loaded));
    wrong.extend(
        browser.texts(include_str!("foreign.js")).await?.into_iter().map(|one| format!("foreign: {one}")),
    );
    for width in WIDTHS {
        for colours in [Colours::Light, Colours::Dark] {
            let at = format!("{width} {}", colours.name());
            browser.set(width, colours).await?;
            let file =
                tools.shots.join(format!("{}-{}-{width}-{}.png", page.site, page.name, colours.name()));
            fs::write(&file, browser.picture(width, HIGHEST).await?)
                .with_context(|| format!("cannot write {}", file.display()))?;
            if colours == Colours::Light {
                let outside = browser.texts(include_str!("overflow.js")).await?;
                wrong.extend(outside.into_iter().map(|one| format!("{width}: {one}")));
            }
            // Nothing but the colours differs between 1024 and 1600.
            if width != 1024 {
                let found = browser.texts(&format!("{}\n{}", tools.axe, include_str!("axe.js"))).await?;
                wrong.extend(found.into_iter().map(|one| format!("{at}: {one}")));
            }
        }
    }
    // Narrow pages have the same elements, in another order: one catalog shows whether that holds for the server's.
    let widths: &[u32] = if ["demo", "cluster"].contains(&page.site) { &[1600, 390] } else { &[1600] };
    for &width in widths {
        wrong.extend(keyboard(browser, &url, width).await?.into_iter().map(|one| format!("{width}: {one}")));
    }
    wrong.extend(without_scripts(browser, &url).await?);
    Ok(wrong)
}

/// Nothing is logged, and nobody else is asked.
fn behaviour(page: &Page, url: &str, Loaded { logged, requested }: &Loaded) -> Vec<String> {
    // The browser logs that the page itself is an error.
    let is_own =
        |entry: &&String| page.is_error && entry.contains(url) && entry.contains("the server responded with");
    let logged = logged.iter().filter(|entry| !is_own(entry)).map(|entry| format!("logged {entry}"));
    // What the browser shows its own pages and fields with comes from no host.
    let is_here = |asked: &&String| {
        ["data:", "chrome:", &format!("{}/", page.origin)].iter().any(|start| asked.starts_with(start))
    };
    let elsewhere = requested.iter().filter(|asked| !is_here(asked)).map(|asked| format!("asked {asked}"));
    let silent = requested.is_empty().then(|| "no request was recorded".to_owned());
    logged.chain(elsewhere).chain(silent).collect()
}

/// The Tab key reaches everything that can be used, and one sees where it is.
async fn keyboard(browser: &Browser, url: &str, width: u32) -> anyhow::Result<Vec<String>> {
    browser.set(width, Colours::Light).await?;
    browser.load(url).await?;
    let count = browser.evaluate(include_str!("focusable.js")).await?.as_u64().unwrap_or(0);
    // One more than there are, as the browser adds scrollers of its own.
    for _ in 0..count + 3 {
        browser.press_tab().await?;
    }
    let missed = browser.texts("window.missed()").await?;
    let unseen = browser.texts("[...new Set(window.unseen)]").await?;
    let missed = missed.into_iter().map(|one| format!("the keyboard does not reach {one}"));
    Ok(missed
        .chain(unseen.into_iter().map(|one| format!("the focus is not visible on {one}")))
        .take(5)
        .collect())
}

/// The page says the same without its script.
async fn without_scripts(browser: &Browser, url: &str) -> anyhow::Result<Vec<String>> {
    let mut differences = Vec::new();
    // The server may publish between the two looks, so the second pair counts.
    for _ in 0..2 {
        browser.load(url).await?;
        let with = browser.texts(include_str!("text.js")).await?;
        browser.set_scripts(false).await?;
        browser.load(url).await?;
        let without = browser.texts(include_str!("text.js")).await;
        browser.set_scripts(true).await?;
        let without = without?;
        let pairs = with.iter().zip(&without).filter(|(with, without)| with != without);
        differences = pairs
            .map(|(with, without)| format!("without scripts: `{without}`, with: `{with}`"))
            .take(3)
            .collect();
        if with.len() != without.len() {
            differences.push(format!("without scripts: {} texts, with: {}", without.len(), with.len()));
        }
        if with.is_empty() {
            differences.push("the page has no text".to_owned());
        }
        if differences.is_empty() {
            break;
        }
    }
    Ok(differences)
}
