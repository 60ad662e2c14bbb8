//! `botgate health`: whether a running Botgate is ready, where there is no shell to ask with.

use super::admin_client::{Operator, url};
use super::{Configuration, LogFormat, output};
use crate::config;
use http::Method;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where it tells; by default /readyz of `probes`, or else `listen`, under [admin] of the configuration.
    url: Option<String>,
    #[command(flatten)]
    configuration: Configuration,
}

/// 0 when it is ready, 1 when it is not or cannot be reached.
pub(crate) fn health(arguments: Arguments, format: Option<LogFormat>) -> ExitCode {
    let operator = match arguments.url {
        // Probes need no token, and a container's check perhaps has no configuration at hand.
        Some(url) => Operator::new(&url, None),
        None => match config::load(&arguments.configuration.path()) {
            Err(report) => return output::refused(&report, LogFormat::of_command(format)),
            Ok((settings, _)) => {
                let url = url(&settings, |admin| admin.probes.unwrap_or(admin.listen));
                let token = settings.admin.and_then(|admin| admin.token);
                url.and_then(|url| Operator::new(&url, token))
            }
        },
    };
    let answer = operator.and_then(|operator| {
        let path = Some(operator.path()).filter(|path| *path != "/");
        operator.ask(Method::GET, path.unwrap_or("/readyz"))
    });
    match answer {
        Ok(answer) if answer.status == 200 => output::out("ready\n"),
        Ok(answer) => output::failed(&format!("not ready: it answered {}", answer.status)),
        Err(error) => output::failed(&error),
    }
}
