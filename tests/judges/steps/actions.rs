//! What people, machines and accidents do to the world, a step each.

use super::*;

impl World {
    pub(super) fn add(&mut self) -> bool {
        let line = self.dice.roll(2);
        self.add_to(line);
        true
    }

    pub(super) fn new_line(&self, number: usize) -> PathBuf {
        self.path(&format!("channels/2.{number}"))
    }

    /// A line begins: with its own file, and without a release that anybody has signed.
    pub(super) fn open(&mut self) -> bool {
        let number = self.opened;
        let folder = self.new_line(number);
        fs::create_dir_all(&folder).unwrap();
        // The one is called by its versions, and the other is not.
        let prefix =
            if number.is_multiple_of(2) { String::new() } else { format!("prefix: \"3.{number}\"\n") };
        let text =
            format!("format: 1\nline: \"2.{number}\"\nfollows: {{ line: \"1.8\", grace: 0d }}\n{prefix}");
        fs::write(folder.join("line.yaml"), text).unwrap();
        self.opened += 1;
        true
    }

    /// A line that was begun by mistake goes again.
    pub(super) fn close(&mut self) -> bool {
        let Some(last) = self.opened.checked_sub(1) else { return false };
        fs::remove_dir_all(self.new_line(last)).unwrap();
        self.opened = last;
        true
    }

    pub(super) fn add_to(&mut self, line: usize) {
        self.patches[line] += 1;
        let version = format!("{}.{}", LINES[line], self.patches[line]);
        let payload = self.path("payload.json");
        fs::write(&payload, format!("{{\"version\": \"{version}\"}}")).unwrap();
        self.must(&["release", "add", &version, "--payload", &payload.display().to_string()]);
    }

    /// The newest key of a role.
    pub(super) fn key(&self, role: &str) -> String {
        let folder = if role == "online" { "state/keys" } else { "keys" };
        let name = |n: u32| self.path(&format!("{folder}/{role}-{n}.pem"));
        let newest = (0..=self.keys).rev().map(name).find(|path| path.is_file()).unwrap();
        newest.display().to_string()
    }

    pub(super) fn must_sign(&mut self) {
        self.must(&["release", "sign", "--key", &self.key("release")]);
    }

    pub(super) fn sign(&mut self) -> bool {
        self.must_sign();
        true
    }

    /// Long enough for what soaks to be promoted.
    pub(super) fn promote(&mut self) -> bool {
        let days = 1 + i64::try_from(self.dice.roll(4)).unwrap();
        self.pass(TimeDelta::days(days));
        true
    }

    pub(super) fn renew(&mut self) -> bool {
        let before = self.version();
        self.pass(TimeDelta::days(1));
        self.settle();
        assert!(self.version() > before);
        true
    }

    pub(super) fn some_version(&mut self) -> String {
        let line = self.dice.roll(2);
        let patch = 1 + self.dice.roll(usize::try_from(self.patches[line]).unwrap());
        format!("{}.{patch}", LINES[line])
    }

    pub(super) fn hold(&mut self) -> bool {
        let version = self.some_version();
        self.run(&["release", "hold", &version, "--by", "ada", "--reason", "looks odd"]).is_ok()
            || self.run(&["release", "resume", &version, "--reason", "fixed"]).is_ok()
    }

    pub(super) fn pause(&mut self) -> bool {
        let channel =
            format!("{}-{}", self.dice.pick(&LINES), self.dice.pick(&["preproduction", "production"]));
        if self.json(&format!("/v1/channels/{channel}"))["signed"]["paused"].is_null() {
            self.run(&["channel", "pause", &channel, "--by", "ada", "--reason", "datacentre move"]).is_ok()
        } else {
            self.run(&["channel", "resume", &channel, "--reason", "fixed"]).is_ok()
        }
    }

    pub(super) fn yank(&mut self) -> bool {
        let version = self.some_version();
        self.run(&["release", "yank", &version, "--by", "ada", "--reason", "breaks DNS"]).is_ok()
    }

    pub(super) fn unyank(&mut self) -> bool {
        let version = self.some_version();
        self.run(&["release", "unyank", &version, "--reason", "fixed"]).is_ok()
    }

    pub(super) fn restart(&mut self) -> bool {
        self.stop();
        self.start();
        true
    }

    /// A file is lost, and found again. Meanwhile its line offers what it did.
    pub(super) fn miss(&mut self) -> bool {
        let version = self.some_version();
        let line = &version[..3];
        let files = [
            format!("channels/{line}/{version}.yaml"),
            format!("channels/{line}/line.yaml"),
            format!("channels/trust/releases-{line}.json"),
            format!("payloads/{version}/payload.json"),
            format!("payloads/{version}/release.json"),
        ];
        let file = self.dice.pick(&files).clone();
        let (file, away) = (self.path(&file), self.path("away"));
        if fs::rename(&file, &away).is_err() {
            return false;
        }
        let offers = |world: &Self| {
            ["preproduction", "production"].map(|stage| {
                world.json(&format!("/v1/channels/{line}-{stage}"))["signed"]["releases"].clone()
            })
        };
        let before = offers(self);
        self.turns();
        assert_eq!(offers(self), before, "without `{}`", file.display());
        fs::rename(&away, &file).unwrap();
        true
    }

    /// The state is lost but for the key, and recovered from what is live.
    pub(super) fn lose(&mut self) -> bool {
        let live = self.path("live").display().to_string();
        let before = self.version();
        self.must(&["export", &live, "--prune"]);
        self.stop();
        for name in ["publication", "version"] {
            fs::remove_file(self.path("state").join(name)).unwrap();
        }
        fs::remove_dir_all(self.path("state/segments")).unwrap();
        fs::remove_dir_all(self.path("state/payloads")).unwrap();
        self.must(&["recover", "--from", &live]);
        self.start();
        assert!(self.version() >= before);
        true
    }

    /// What was published of a line is lost, cut or changed in the state. It is not answered for until it is
    /// restored from what is live, or from a backup, and the other line goes on.
    pub(super) fn lose_line(&mut self) -> bool {
        let live = self.path("live").display().to_string();
        self.must(&["export", &live, "--prune"]);
        let lost = self.dice.roll(2);
        let channel = |line: usize| format!("/v1/channels/{}-preproduction", LINES[line]);
        let before = [0, 1].map(|line| self.json(&channel(line)));
        self.stop();
        let stored = stored::publication(&StateFolder::new(&self.path("state"))).unwrap().unwrap();
        let part = stored.parts().find(|part| part.line.as_str() == LINES[lost]).unwrap();
        let file = self.path("state/segments").join(part.stored().unwrap().sha256.to_string());
        let good = fs::read(&file).unwrap();
        let mut changed = good.clone();
        changed[self.dice.roll(good.len())] ^= 1;
        match self.dice.roll(3) {
            0 => fs::remove_file(&file).unwrap(),
            1 => fs::write(&file, &good[..self.dice.roll(good.len())]).unwrap(),
            _ => fs::write(&file, changed).unwrap(),
        }
        self.launch();
        self.turns();
        let response = get(self.address(), &channel(lost));
        assert_eq!((response.status, &response.json()["kind"]), (503, &"line_lost".into()));
        assert_eq!(self.json(&channel(1 - lost)), before[1 - lost]);
        self.stop();
        if self.dice.roll(2) == 0 {
            self.must(&["recover", "--from", &live]);
        } else {
            fs::write(&file, good).unwrap();
        }
        self.start();
        assert_eq!(self.json(&channel(lost))["signed"]["releases"], before[lost]["signed"]["releases"]);
        true
    }

    pub(super) fn rotate(&mut self, role: &str) -> bool {
        let old = self.key(role);
        let keyid = self.json_of(&["key", "list", &old])["keys"][0]["keyid"].as_str().unwrap().to_owned();
        self.keys += 1;
        let folder = if role == "online" { "state/keys" } else { "keys" };
        let new = self.path(&format!("{folder}/{role}-{}.pem", self.keys)).display().to_string();
        let public = self.path("public.pem");
        let _ = fs::remove_file(&public);
        let public = public.display().to_string();
        self.must(&["key", "generate", "--no-encrypt", "--out", &new]);
        self.must(&["key", "public", &new, "--out", &public]);
        let (add, drop) = (format!("{role}={public}"), format!("{role}={keyid}"));
        let mut arguments = vec!["root", "change", "--add", &add, "--drop", &drop];
        let keys: Vec<String> = match role {
            "root" => vec![old.clone(), new],
            "online" => vec![self.key("root"), self.key("targets")],
            "targets" => vec![self.key("root"), new],
            _ => vec![self.key("targets"), new],
        };
        for key in &keys {
            arguments.extend(["--key", key]);
        }
        self.must(&arguments);
        self.settle();
        fs::remove_file(old).unwrap();
        true
    }
}
