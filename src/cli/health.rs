//! `botgate health`: whether a running Botgate is ready, where there is no shell to ask with.

use super::admin_client::{AdminClient, url};
use super::{Configuration, LogFormat, output};
use http::Method;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The URL to ask [default: /readyz of `probes`, or of `listen`, under `[admin]` of the configuration]
    url: Option<String>,
    #[command(flatten)]
    configuration: Configuration,
}

/// 0 when it is ready, 1 when it is not or cannot be reached.
pub(crate) fn health(
    arguments: Arguments,
    format: Option<LogFormat>,
) -> Result<ExitCode, ExitCode> {
    let client = match arguments.url {
        // Probes need no token, and a container's check perhaps has no configuration at hand.
        Some(url) => AdminClient::new(&url, None),
        None => {
            let (settings, _) = arguments.configuration.load(format)?;
            let url = url(&settings, |admin| admin.probes.unwrap_or(admin.listen));
            let token = settings.admin.and_then(|admin| admin.token);
            url.and_then(|url| AdminClient::new(&url, token))
        }
    };
    let answer = client.and_then(|client| {
        let path = Some(client.path()).filter(|path| *path != "/");
        client.send(Method::GET, path.unwrap_or("/readyz"))
    });
    Ok(match answer {
        Ok(answer) if answer.status == 200 => output::out("ready\n"),
        Ok(answer) => output::failed(&format!("not ready: status {}", answer.status)),
        Err(error) => output::failed(&error),
    })
}
