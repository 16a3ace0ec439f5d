//! The settings of a command that serves or checks: from its flags, the environment and the file.

use std::{env, path::Path};

use super::super::failure::Failure;
use crate::config::{self, Flags, LogFormat, Secret, Settings};

/// The organization and the key of callers of the embedded platform, which accepts any.
const SANDBOX_ORGANIZATION: &str = "org-sandbox";
const SANDBOX_KEY: &str = "key-of-the-sandbox";

/// The settings in force.
pub fn load(file: Option<&Path>, flags: &Flags) -> Result<Settings, Failure> {
    config::load(file, env::vars_os(), flags).map_err(Failure::Settings)
}

/// How lines of the log look, also where other settings are wrong.
pub fn log_format(file: Option<&Path>, flags: &Flags) -> LogFormat {
    config::log_format(file, env::vars_os(), flags)
}

/// Puts the embedded platform, which is at `base_url`, in place of the one that the settings name.
pub fn embed(settings: &mut Settings, base_url: String) {
    let platform = &mut settings.platform;
    platform.base_url = base_url;
    platform.api_key = Some(Secret::new(SANDBOX_KEY));
    platform.organization_id = Some(SANDBOX_ORGANIZATION.to_owned());
    // What is for the other platform is neither needed nor sent.
    (platform.api_key_file, platform.proxies) = (None, config::Proxies::default());
    settings.agents.default_id.get_or_insert_with(|| "echo".to_owned());
}
