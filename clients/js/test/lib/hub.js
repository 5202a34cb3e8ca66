export { Hub } from "../../../../tests/browser/lib/hub.js";
