//! Who sends a request: from the credential that it carries to what its sender may do.
//!
//! A request without a credential has the rights of everybody, which are none unless the operator
//! gave some. A request with a bad one is refused whatever everybody may do, so that a client whose
//! token has run out learns of it.

mod carrier;

use std::net::IpAddr;
use std::sync::Arc;

use fanfare_auth::Auth;
use fanfare_hub::{
    Denied, Grant, Lease, MayAdminister, MayPublish, MaySubscribe, Selection, TopicName,
};
use http::{HeaderMap, StatusCode, Uri};

pub use self::carrier::{COOKIE_DEFAULT, Carriers};

use self::carrier::{Carrier, Found};
use crate::app::Settings;
use crate::clock;
use crate::problem::Problem;
use crate::quota::{Payer, Quotas};

/// What of a request says who sends it.
#[derive(Clone, Copy)]
pub(crate) struct Asking<'a> {
    pub(crate) headers: &'a HeaderMap,
    pub(crate) uri: &'a Uri,
    /// From where it came, if that is known.
    pub(crate) peer: Option<IpAddr>,
    /// Who may.
    pub(crate) auth: &'a Auth,
    /// Where it is said, and which pages may write.
    pub(crate) settings: &'a Settings,
    /// Who is charged.
    pub(crate) quotas: &'a Quotas,
    /// Whether the request changes something, or opens a socket that can.
    pub(crate) writes: bool,
}

impl Asking<'_> {
    /// Finds out who sends the request, and what they may do.
    pub(crate) fn asker(self) -> Result<Asker, Problem> {
        let auth = self.auth;
        let found = match auth.has_keys() {
            true => carrier::find(&self.settings.carriers, self.headers, self.uri)?,
            false => None,
        };
        let Some(Found { token, carrier }) = found else {
            return Ok(Asker {
                grant: auth.everybody(),
                is_known: false,
                payer: self.payer(None),
            });
        };
        // The browser adds a cookie to whatever any page sends.
        if carrier == Carrier::Cookie && self.writes && !self.comes_from_allowed_page() {
            return Err(Problem::origin_not_allowed(
                "a cookie writes only for pages of allowed origins: add the page's origin, or send the token as `Authorization: Bearer`",
            ));
        }
        let grant = auth
            .read(token, clock::now())
            .map_err(Problem::bad_credential)?;
        Ok(Asker {
            payer: self.payer(grant.lease.as_ref()),
            grant: Arc::new(grant),
            is_known: true,
        })
    }

    fn payer(&self, lease: Option<&Lease>) -> Payer {
        let proxies = &self.settings.proxies;
        self.quotas.payer(self.peer, self.headers, proxies, lease)
    }

    /// Whether a page sent it that may write; unlike elsewhere, silence is no proof.
    fn comes_from_allowed_page(&self) -> bool {
        let has_origin = self.headers.contains_key(http::header::ORIGIN);
        let site = self.headers.get("sec-fetch-site");
        // Fetch Metadata 2.4: scripts cannot set it.
        let is_same = site.is_some_and(|site| site == "same-origin");
        (has_origin && self.settings.cors.trusts_cookies(self.headers)) || (!has_origin && is_same)
    }
}

/// Somebody who sent a request.
#[derive(Clone, Debug)]
pub(crate) struct Asker {
    grant: Arc<Grant>,
    /// Whether it came with a credential.
    is_known: bool,
    payer: Payer,
}

impl Asker {
    pub(crate) fn may_publish(&self, topic: TopicName) -> Result<MayPublish, Problem> {
        self.grant
            .may_publish(topic)
            .map_err(|denied| self.refused(&denied))
    }

    pub(crate) fn may_subscribe(&self, selection: Selection) -> Result<MaySubscribe, Problem> {
        self.grant
            .may_subscribe(selection)
            .map_err(|denied| self.refused(&denied))
    }

    pub(crate) fn may_administer(&self) -> Result<MayAdminister, Problem> {
        self.grant
            .may_administer()
            .map_err(|denied| self.refused(&denied))
    }

    /// Who is charged with what the request takes.
    pub(crate) fn payer(&self) -> &Payer {
        &self.payer
    }

    /// What the rights hang on.
    pub(crate) fn lease(&self) -> Option<&Lease> {
        self.grant.lease.as_ref()
    }

    /// Who is nobody is asked who they are (RFC 9110 15.5.2); who is somebody is told no.
    fn refused(&self, denied: &Denied) -> Problem {
        match self.is_known {
            true => Problem::new(StatusCode::FORBIDDEN, "not_granted", denied.to_string()),
            false => Problem::no_credential(&denied.to_string()),
        }
    }
}
