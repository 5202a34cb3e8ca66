// Texts that try to become markup, script or something other than the text they are.
export const HOSTILE = [
  "<script>alert(1)</script>",
  "<img src=x onerror=alert(2)>",
  "\"><svg onload=alert(3)>",
  "javascript:alert(4)",
  "</span></li><iframe srcdoc='<script>alert(5)</script>'>",
  "{{title}} ${7*7} &lt;b&gt; &#60;i&#62;",
  "line one\nline two\n\n  indented",
  "data: forged\nid: forged\nevent: fanfare.gap\n\n",
  "\u202Eright to left\u202C, zero\u200Bwidth, \u{1F3BA} brass, e\u0301",
];
