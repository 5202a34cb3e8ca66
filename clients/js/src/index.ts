/** Server-Sent Events that resume, share one connection, and never lose an event in silence. */
export { HubError } from "./error.js";
export type { Gap, HubEvent } from "./event.js";
export type { ResumeStore } from "./connection.js";
export { connect } from "./hub.js";
export type { DataOf, Hub, HubOptions, Schema, Schemas, Subscription, TopicOptions } from "./hub.js";
export type { RetryPolicy, Status } from "./machine.js";
export { parseSSE, SseParser } from "./parser.js";
export type { SseEvent, SseSink } from "./parser.js";
export type { Published, PublishOptions } from "./publish.js";
