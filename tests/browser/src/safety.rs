//! What must hold so that a page cannot be used against its readers.

use crate::browser::Browser;
use crate::catalogs::PROBE;
use crate::look::Page;
use crate::site::{Site, ask};

/// Markup for a part of a path, which has no slash.
const PART: &str = r#""'><img src=x onerror="probed=1"><b id=probe>"#;

/// Checks the headers of a page.
pub fn headers(page: &Page) -> anyhow::Result<Vec<String>> {
    let address = page.origin.trim_start_matches("http://");
    let reply = ask(address, "GET", &page.path, page.cookie.as_deref(), "")?;
    let status = reply.status;
    let value = |name: &str| reply.header(name).unwrap_or_default().to_lowercase();
    let policy = value("content-security-policy");
    let mut wrong = Vec::new();
    if (status >= 400) != page.is_error {
        wrong.push(format!("status {status}"));
    }
    for part in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self'",
    ] {
        if !policy.split("; ").any(|own| own == part) {
            wrong.push(format!("the policy lacks `{part}`: {policy}"));
        }
    }
    if ["unsafe-inline", "unsafe-eval", "http:", "https:", "*"].iter().any(|loose| policy.contains(loose)) {
        wrong.push(format!("the policy is loose: {policy}"));
    }
    for (name, wanted) in [
        ("x-frame-options", "deny"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
    ] {
        if value(name) != wanted {
            wrong.push(format!("{name} is `{}` and not `{wanted}`", value(name)));
        }
    }
    Ok(wrong)
}

/// Asks every page that repeats something of its address for markup, and looks whether it stays text.
pub async fn reflected(browser: &Browser, site: &Site) -> anyhow::Result<Vec<String>> {
    let (probe, part) = (encoded(PROBE), encoded(PART));
    let paths = [
        (format!("/channels/1.8-production?version={probe}"), Shown::Text),
        (format!("/channels/1.8-production?version=1.8.4-{probe}"), Shown::Text),
        (format!("/channels/{part}"), Shown::Text),
        (format!("/channels/{part}?version=1.8.4"), Shown::Text),
        (format!("/releases/{part}"), Shown::Text),
        (format!("/history?text={probe}"), Shown::Value),
        (format!("/history?line={probe}"), Shown::Value),
        (format!("/history?what={probe}&before={probe}"), Shown::Nowhere),
        (format!("/{probe}"), Shown::Nowhere),
    ];
    let mut wrong = Vec::new();
    for (path, shown) in paths {
        browser.load(&site.url(&path)).await?;
        let foreign = browser.texts(include_str!("foreign.js")).await?;
        wrong.extend(foreign.into_iter().map(|one| format!("{path}: {one}")));
        let held = match shown {
            Shown::Text => "document.body.textContent",
            Shown::Value => "[...document.querySelectorAll('input')].map((one) => one.value).join()",
            Shown::Nowhere => continue,
        };
        if browser.evaluate(&format!("{held}.includes('<img')")).await? != true {
            wrong.push(format!("{path}: what was asked is not shown as it was written"));
        }
    }
    Ok(wrong)
}

/// Where a page repeats what it was asked.
enum Shown {
    Text,
    Value,
    Nowhere,
}

/// Looks whether pages show others' markup as text.
pub async fn stored(browser: &Browser, urls: &[String]) -> anyhow::Result<Vec<String>> {
    let mut wrong = Vec::new();
    for url in urls {
        browser.load(url).await?;
        if browser.evaluate("document.body.textContent.includes('<script>probed=1</script>')").await? != true
        {
            wrong.push(format!("{url}: what others have written is not shown as it was written"));
        }
    }
    Ok(wrong)
}

pub fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
