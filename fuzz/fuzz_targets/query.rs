//! What stands in a request's URL: a path and a query, decoded and parsed as handlers do.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate::domain::channel::ChannelName;
use tidegate::domain::version::Version;
use tidegate::http::url::{parameter, segment};

fuzz_target!(|text: &str| {
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    for raw in path.split('/') {
        let Ok(text) = segment(raw) else { continue };
        assert!(!text.contains(['/', '\\', '\0']), "`{raw}` became `{text}`");
        if let Ok(name) = ChannelName::parse_any_case(&text) {
            assert!(name.as_str().eq_ignore_ascii_case(&text));
        }
        if let Ok(version) = Version::parse(&text) {
            assert_eq!(version.to_string(), text);
        }
    }
    for name in ["version", "cluster"] {
        let Ok(Some(value)) = parameter(query, name) else { continue };
        let value = value.into_owned();
        if let Ok(version) = Version::parse_query(&value) {
            assert_eq!(version.to_string(), value.replace(' ', "+"));
        }
        // A proxy that escapes all that it may asks the same.
        let escaped: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let again = parameter(&format!("x&{name}={escaped}"), name).ok().flatten().map(|v| v.into_owned());
        assert_eq!(again.as_deref(), Some(value.as_str()));
    }
});
