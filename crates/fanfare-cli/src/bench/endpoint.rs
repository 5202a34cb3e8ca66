//! Where requests of a load go: a URL, its address that answers, and fields of a head.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use http::{HeaderName, HeaderValue, Uri};

/// Who does not take a connection by then is not there.
const CONNECT_WAIT: Duration = Duration::from_secs(5);

/// One end of a load.
#[derive(Debug)]
pub(super) struct Endpoint {
    /// The address that took a connection.
    pub(super) address: SocketAddr,
    /// What `Host` says.
    pub(super) host: String,
    /// Path and query.
    pub(super) path: String,
}

impl Endpoint {
    /// Puts the topic into a URL, and finds out which of its addresses somebody listens at.
    pub(super) fn reach(url: &str, topic: &str, has_topic: bool) -> Result<Self> {
        let (host, port, path) = parse(url, topic, has_topic)?;
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let addresses = (name, port).to_socket_addrs();
        let addresses = addresses
            .with_context(|| format!("there is no address for {name:?}: correct the URL {url}"))?;
        let mut last = anyhow!("there is no address for {name:?}: correct the URL {url}");
        for address in addresses {
            // A name may stand for IPv6 and IPv4 while a server listens on one of them.
            match TcpStream::connect_timeout(&address, CONNECT_WAIT) {
                Ok(_) => {
                    return Ok(Self {
                        address,
                        host: format!("{host}:{port}"),
                        path,
                    });
                }
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                    last = anyhow!(
                        "nobody listens at {address}: start the server (a hub with `fanfare dev`), or correct the URL {url}"
                    );
                }
                Err(error) => last = anyhow!(error).context(format!("no connection to {address}")),
            }
        }
        Err(last)
    }
}

/// Host, port and path of a URL with its topic.
fn parse(url: &str, topic: &str, has_topic: bool) -> Result<(String, u16, String)> {
    let whole = match url.contains("://") {
        true => url.to_owned(),
        false => format!("http://{url}"),
    };
    let uri = whole.parse::<Uri>();
    let uri = uri.with_context(|| format!("{url:?} is no URL, such as http://127.0.0.1:4000"))?;
    match uri.scheme_str() {
        Some("http") => {}
        Some("https") => bail!(
            "bench speaks HTTP/1.1 without TLS: name the plain http:// address of the server instead of {url}"
        ),
        _ => bail!("{url:?} is no URL of a server: begin it with http://"),
    }
    let host = uri.host().filter(|host| !host.is_empty());
    let host = host.with_context(|| format!("{url:?} names no host"))?;
    let path = match uri.path_and_query().map_or("/", |path| path.as_str()) {
        "/" | "" => "/{topic}",
        path => path,
    };
    ensure!(
        !has_topic || path.contains("{topic}"),
        "the topic has no place in {url}: write {{topic}} where it stands"
    );
    let path = path.replace("{topic}", topic);
    ensure!(
        path.bytes().all(|byte| byte.is_ascii_graphic()),
        "{path:?} is no path: write what is no letter, digit or sign as % and two digits"
    );
    Ok((host.to_owned(), uri.port_u16().unwrap_or(80), path))
}

/// A field of a head, as it is written on the command line.
pub(super) fn field(text: &str) -> Result<(String, String), String> {
    let Some((name, value)) = text.split_once(':') else {
        return Err("write a name, a colon and a value, such as `X-Key: abc`".to_owned());
    };
    let (name, value) = (name.trim(), value.trim());
    HeaderName::try_from(name).map_err(|error| error.to_string())?;
    HeaderValue::try_from(value).map_err(|error| error.to_string())?;
    match name.to_ascii_lowercase().as_str() {
        "host" | "content-length" | "transfer-encoding" | "connection" => {
            Err(format!("`{name}` is written by the load itself"))
        }
        _ => Ok((name.to_owned(), value.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path_of(url: &str) -> String {
        parse(url, "news", false).unwrap().2
    }

    #[test]
    fn the_topic_stands_where_it_is_asked_for_or_alone() {
        assert_eq!(path_of("http://a"), "/news");
        assert_eq!(path_of("a:80/"), "/news");
        assert_eq!(
            path_of("http://a/sub/{topic}?x={topic}"),
            "/sub/news?x=news"
        );
        assert_eq!(path_of("http://a/events"), "/events");
        assert!(parse("http://a/events", "news", true).is_err());
    }

    #[test]
    fn only_plain_http_is_spoken() {
        assert_eq!(parse("http://[::1]:8080", "t", false).unwrap().0, "[::1]");
        for url in ["https://a", "ftp://a", "http://", "a b", ""] {
            assert!(parse(url, "t", false).is_err(), "{url}");
        }
    }

    #[test]
    fn a_field_is_a_name_and_a_value() {
        let of = |text| field(text).ok();
        let both = Some(("X-Key".to_owned(), "a:b".to_owned()));
        assert_eq!(of("X-Key: a:b"), both);
        for text in ["X-Key", "X Key: a", ": a", "Host: a", "X: a\r\nY: b"] {
            assert_eq!(of(text), None, "{text:?}");
        }
    }
}
