//! What operators watch (OpenMetrics). No topic, token or payload is a label.

use std::sync::atomic::AtomicI64;

use fanfare_hub::{GapReason, Hub};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The counters of one hub.
pub(crate) struct Metrics {
    registry: Registry,
    published: Counter,
    refused: Family<CodeLabel, Counter>,
    delivered: Counter,
    delivered_bytes: Counter,
    gaps: Family<ReasonLabel, Counter>,
    streams: Family<FormLabel, Gauge>,
    connections: Gauge,
    turned_away: Family<LimitLabel, Counter>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct LimitLabel {
    limit: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CodeLabel {
    code: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct FormLabel {
    form: &'static str,
}

/// Counts one more of something for as long as it lives.
pub(crate) struct OpenStream(Gauge<i64, AtomicI64>);

impl OpenStream {
    fn new(gauge: Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    pub(crate) fn new(hub: &Hub) -> Self {
        let mut registry = Registry::with_prefix("fanfare");
        let durability = hub.log().durability().as_str();
        let labels = [
            ("version", env!("CARGO_PKG_VERSION")),
            ("durability", durability),
        ];
        registry.register(
            "build",
            "What runs, with what durability",
            prometheus_client::metrics::info::Info::new(labels),
        );
        let mut metrics = Self {
            published: Counter::default(),
            refused: Family::default(),
            delivered: Counter::default(),
            delivered_bytes: Counter::default(),
            gaps: Family::default(),
            streams: Family::default(),
            connections: Gauge::default(),
            turned_away: Family::default(),
            registry,
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "published_events",
            "Events acknowledged to publishers",
            self.published.clone(),
        );
        registry.register(
            "refused_requests",
            "Requests answered with a problem, by code",
            self.refused.clone(),
        );
        registry.register(
            "delivered_events",
            "Events handed to connections",
            self.delivered.clone(),
        );
        registry.register(
            "delivered_bytes",
            "Bytes of events handed to connections",
            self.delivered_bytes.clone(),
        );
        registry.register(
            "gaps",
            "Gaps told to subscribers, by reason",
            self.gaps.clone(),
        );
        registry.register(
            "streams",
            "Open event streams, by form",
            self.streams.clone(),
        );
        registry.register("connections", "Open connections", self.connections.clone());
        registry.register(
            "turned_away_connections",
            "Connections closed unread, by the limit that was met",
            self.turned_away.clone(),
        );
    }

    pub(crate) fn published(&self, events: u64) {
        self.published.inc_by(events);
    }

    pub(crate) fn refused(&self, code: &'static str) {
        self.refused.get_or_create(&CodeLabel { code }).inc();
    }

    pub(crate) fn turned_away(&self, limit: &'static str) {
        self.turned_away.get_or_create(&LimitLabel { limit }).inc();
    }

    pub(crate) fn delivered(&self, events: u64, bytes: u64) {
        self.delivered.inc_by(events);
        self.delivered_bytes.inc_by(bytes);
    }

    pub(crate) fn gap(&self, reason: GapReason) {
        let reason = reason.as_str();
        self.gaps.get_or_create(&ReasonLabel { reason }).inc();
    }

    pub(crate) fn open_stream(&self, form: &'static str) -> OpenStream {
        OpenStream::new(self.streams.get_or_create(&FormLabel { form }).clone())
    }

    pub(crate) fn open_connection(&self) -> OpenStream {
        OpenStream::new(self.connections.clone())
    }

    /// The metrics as text.
    pub(crate) fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
