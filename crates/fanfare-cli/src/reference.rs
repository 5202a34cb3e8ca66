//! The reference of all options of `serve`, made of the options themselves.

use clap::{Arg, CommandFactory};
use fanfare::Limits;

use crate::cli::Cli;
use crate::config::LIMITS;
use crate::limit::show;

const HEAD: &str = "# Configuration

Everything that `fanfare serve` can be told, made by `fanfare check --reference`.

An option is given on the command line (`--listen 0.0.0.0:4000`), in the environment (`FANFARE_LISTEN`), or in a file: `fanfare.toml` in the folder where the hub starts, or the one that `--config` names.
The command line wins over the environment, and the environment over the file.
A key of the file is an option without its dashes; what may be given more than once is a list there, and in the environment a text with commas.
A key that is not in this list is an error.
`fanfare check` shows what all of it comes to.

```toml
listen = \"0.0.0.0:443\"
tls-cert = \"/etc/fanfare/chain.pem\"
tls-key = \"/etc/fanfare/key.pem\"
key = [\"ES256=/etc/fanfare/public.pem\"]
everybody-subscribe = [\"news/**\"]
cors-origin = [\"https://app.example\"]

[limits]
subject_streams_max = 20
```

SIGHUP reads everything anew, and so does a change of the file, of a key or of the certificate, within two seconds.
What waits for a restart is marked ↻; changed in a running hub, it stays as it was, and the hub says so.
";

/// Options that a running hub takes up.
const TAKEN_UP: [&str; 12] = [
    "key",
    "jwks",
    "open",
    "everybody-publish",
    "everybody-subscribe",
    "issuer",
    "audience",
    "cookie",
    "token-in-url",
    "cors-origin",
    "trusted-proxy",
    "limit",
];
/// Options whose files a running hub takes up.
const FILES: [&str; 2] = ["tls-cert", "tls-key"];
/// Options that are limits under a name of their own.
const OWN_LIMITS: [&str; 4] = ["retry", "heartbeat", "connections-max", "subscribers-max"];

/// The document.
pub(crate) fn document() -> String {
    let mut text = HEAD.to_owned();
    let command = Cli::command();
    let serve = command.find_subcommand("serve");
    let mut heading = "";
    let options = serve.into_iter().flat_map(|serve| serve.get_arguments());
    for option in options.filter(|option| !option.is_hide_set()) {
        let own = option.get_help_heading().unwrap_or("Options");
        if own != heading {
            heading = own;
            text.push_str(&format!("\n## {heading}\n\n"));
            text.push_str("| key | environment | default | |\n|---|---|---|---|\n");
        }
        row(option, &mut text);
    }
    text.push_str(&format!("\n## Limits\n\nThe table `[{LIMITS}]` of the file, and `--limit NAME=VALUE`. Numbers may end in KiB, MiB or GiB, times in ms, s, m or h.\n\n| name | default | what it is |\n|---|--:|---|\n"));
    for bound in Limits::ALL {
        let restart = if bound.waits_for_restart() {
            " ↻"
        } else {
            ""
        };
        let reason: String = bound.reason.concat();
        text.push_str(&format!(
            "| `{}`{restart} | {} |{reason} |\n",
            bound.name,
            show(bound.of(&Limits::default()))
        ));
    }
    text
}

fn row(option: &Arg, text: &mut String) {
    let Some(name) = option.get_long() else {
        return;
    };
    let help = option.get_help().map(ToString::to_string);
    let env = option.get_env().map(|name| format!("`{}`", name.display()));
    let default: Vec<_> = option
        .get_default_values()
        .iter()
        .map(|it| it.display().to_string())
        .collect();
    let default = match option.get_action().takes_values() && !default.is_empty() {
        true => format!("`{}`", default.join(",")),
        false => String::new(),
    };
    let is_taken_up = [&TAKEN_UP[..], &FILES, &OWN_LIMITS]
        .concat()
        .contains(&name);
    let restart = if is_taken_up { "" } else { " ↻" };
    text.push_str(&format!(
        "| `{name}`{restart} | {} | {default} | {} |\n",
        env.unwrap_or_default(),
        help.unwrap_or_default()
    ));
}
