// SPDX-License-Identifier: Apache-2.0
//! The one style of all pages: one scale of type, one of space, two themes, and paper.

/// Inline style of a report. Sizes are 13, 15, 18 and 26 px, spaces 4, 8, 16, 24 and 48 px.
/// Text has a contrast of at least 4.5 to 1 in both themes.
pub(crate) const STYLE: &str = r#"
:root{color-scheme:light dark;
--s1:4px;--s2:8px;--s3:16px;--s4:24px;--s5:48px;
--t1:.8125rem;--t2:.9375rem;--t3:1.125rem;--t4:1.625rem;
--paper:#fcfcfa;--card:#fff;--ink:#1c2329;--soft:#56626c;--line:#dde2e5;--wash:#f1f4f5;
--water:#1b5e86;--hit:#a83a15;--hit-wash:#fbe9e1;--mark:#ffe3a8;
--critical:#8f1230;--high:#a83a15;--medium:#7d5700;--low:#3f5f73;--informational:#56626c;
--had:#4c8b78;--gap:#d9a08a;--gone:#a9a3bd;--outside:#eceff0;
--mono:ui-monospace,"SF Mono","Cascadia Mono","DejaVu Sans Mono",Menlo,Consolas,monospace}
@media (prefers-color-scheme:dark){:root{
--paper:#14191d;--card:#1a2126;--ink:#e4e8ea;--soft:#9dabb5;--line:#2e383f;--wash:#20292f;
--water:#7fbde2;--hit:#f0956c;--hit-wash:#3a2419;--mark:#6b4e0c;
--critical:#ff8fa6;--high:#f0956c;--medium:#e0b350;--low:#93b9d1;--informational:#9dabb5;
--had:#5da38d;--gap:#a5583c;--gone:#6d6683;--outside:#262f35}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:var(--t2)/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif;overflow-wrap:anywhere}
main,header,footer{max-width:64rem;margin:0 auto;padding:0 var(--s3)}
header{padding-top:var(--s4)}
h1,h2,h3{line-height:1.25;text-wrap:balance;overflow-wrap:break-word}
h1{font-size:var(--t4);font-weight:650;letter-spacing:-.01em;margin:var(--s3) 0 var(--s2)}
h2{font-size:var(--t3);font-weight:650;margin:var(--s5) 0 var(--s2)}
h3{font-size:var(--t2);font-weight:650;margin:0 0 var(--s2)}
p{margin:0 0 var(--s2);max-width:44rem}
ul,ol{margin:0 0 var(--s2);padding-left:var(--s4);max-width:44rem}
li{margin-bottom:var(--s1)}
a{color:var(--water)}
.soft{color:var(--soft)}
.small,caption,th,figcaption,.key{font-size:var(--t1)}
.top{display:flex;flex-wrap:wrap;gap:var(--s2);justify-content:space-between;align-items:baseline;font-size:var(--t1);color:var(--soft)}
.label{font-weight:650;color:var(--ink);border:1px solid var(--line);border-radius:3px;padding:0 var(--s2);background:var(--card);white-space:nowrap}
.lead{font-size:var(--t2)}
dl.figures{display:grid;grid-template-columns:repeat(6,1fr);gap:1px;margin:var(--s4) 0 0;background:var(--line);border:1px solid var(--line);border-radius:4px;overflow:hidden}
dl.figures div{background:var(--card);padding:var(--s2) var(--s3);display:flex;flex-direction:column-reverse;justify-content:flex-end}
dl.figures dt{font-size:var(--t1);color:var(--soft)}
dl.figures dd{margin:0;font-size:var(--t3);font-weight:650;font-variant-numeric:tabular-nums}
dl.figures .alarm dd{color:var(--hit)}
nav{margin-top:var(--s3);font-size:var(--t1)}
nav a{margin-right:var(--s3);white-space:nowrap;display:inline-block}
.scroll{overflow-x:auto;margin:var(--s2) 0 0}
table{border-collapse:collapse;width:100%;background:var(--card);border:1px solid var(--line);border-radius:4px}
caption{text-align:left;color:var(--soft);padding:0 0 var(--s1)}
th,td{text-align:left;vertical-align:top;padding:var(--s2);border-top:1px solid var(--line)}
thead th{border-top:0;color:var(--soft);font-weight:550;white-space:nowrap}
tbody th{font-weight:550;font-size:var(--t2)}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td.t{white-space:nowrap;font-variant-numeric:tabular-nums}
th.name,td.seen{min-width:10rem}
th.files{min-width:19rem}th.source,td.why{min-width:9rem}th p,th details{font-weight:400}
.code,code{font-family:var(--mono);font-size:var(--t1)}
.log{font-family:var(--mono);font-size:var(--t1);line-height:1.5;white-space:pre-wrap;background:var(--wash);border-radius:3px;padding:var(--s1) var(--s2);margin:var(--s1) 0 0;unicode-bidi:isolate}
mark{background:var(--mark);color:inherit;border-radius:2px}
.esc{color:var(--hit)}
.cut{color:var(--soft);font-style:italic}
ol.plain{list-style:none;padding:0;max-width:none;margin:0}
.card{background:var(--card);border:1px solid var(--line);border-left:3px solid var(--line);border-radius:4px;padding:var(--s3);margin:var(--s3) 0 0;max-width:none}
.card.critical{border-left-color:var(--critical)}.card.high{border-left-color:var(--high)}.card.medium{border-left-color:var(--medium)}.card.low{border-left-color:var(--low)}
.level{white-space:nowrap;font-size:var(--t1);font-weight:650;text-transform:uppercase;letter-spacing:.04em;margin-right:var(--s2)}
.critical>.level,.level.critical{color:var(--critical)}.level.high{color:var(--high)}.level.medium{color:var(--medium)}.level.low{color:var(--low)}.level.informational{color:var(--informational)}
dl.facts{display:grid;grid-template-columns:minmax(6.5rem,max-content) minmax(0,1fr);gap:var(--s1) var(--s3);margin:0}
dl.facts dt{color:var(--soft)}
dl.facts dd{margin:0}
figure{margin:var(--s3) 0 0}
svg{display:block;width:100%}
.axis{position:relative;height:1.25rem;font-size:var(--t1);color:var(--soft);font-variant-numeric:tabular-nums}
.axis span{position:absolute;white-space:nowrap;transform:translateX(-50%)}
.axis span.first{left:0;transform:none}.axis span.second{left:25%}.axis span.third{left:33.3%}.axis span.half{left:50%}.axis span.thirds{left:66.6%}.axis span.fourth{left:75%}.axis span.last{left:100%;transform:translateX(-100%)}
.bars{border-bottom:1px solid var(--line)}
.f-hit{fill:var(--hit)}.f-det{fill:var(--water)}.f-had{fill:var(--had)}.f-gap{fill:var(--gap)}.f-gone{fill:var(--gone)}.f-out{fill:var(--outside)}.f-bad{fill:var(--medium)}.f-left{fill:var(--soft)}
.key{color:var(--soft);display:flex;flex-wrap:wrap;gap:var(--s1) var(--s3);margin:var(--s2) 0 0;padding:0;list-style:none;max-width:none}
.key svg{display:inline-block;width:12px;height:12px;margin-right:var(--s1);vertical-align:-1px}
.strip{display:grid;grid-template-columns:12rem minmax(0,1fr) 4.5rem;grid-template-areas:"who field days";gap:var(--s1) var(--s3);align-items:center;margin-bottom:var(--s1)}
.strip>.field{grid-area:field}
.strip .who{grid-area:who;font-size:var(--t1);line-height:1.3}
.strip .days{grid-area:days;font-size:var(--t1);color:var(--soft);font-variant-numeric:tabular-nums;white-space:nowrap;text-align:right}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(18rem,1fr));gap:0 var(--s4)}
.quiet>:last-child{margin-bottom:0}
.later{margin-top:var(--s4)}
.near{margin:var(--s2) 0 0;max-width:none}
.quiet{border:1px solid var(--line);background:var(--card);border-radius:4px;padding:var(--s3);max-width:none}
.print{display:none}
details.rest{margin-top:var(--s2)}
details.rest>summary{color:var(--water);cursor:pointer}
.spans .t{white-space:nowrap;font-variant-numeric:tabular-nums}
.fill{display:inline-block;min-width:14rem;border-bottom:1px solid var(--soft);color:var(--soft)}
main.page,header.page,footer.page{max-width:46rem}
.page h2{margin:var(--s4) 0 var(--s1)}
.page h1{margin-bottom:var(--s1)}
.verdict{font-size:var(--t3);font-weight:650;margin-bottom:var(--s1)}
.verdict.urgent{color:var(--hit)}
ul.names{list-style:none;padding:0}
ul.names li{border-left:3px solid var(--line);padding-left:var(--s2);margin-bottom:var(--s2)}
footer.page{padding-top:var(--s4)}
footer{color:var(--soft);font-size:var(--t1);padding-top:var(--s5);padding-bottom:var(--s5)}
@media (max-width:40rem){
dl.figures{grid-template-columns:repeat(3,1fr)}
dl.figures div{padding:var(--s2)}
th.name,th.files,th.source,td.seen,td.why{min-width:0}
.wide{display:none}
.strip{grid-template-columns:minmax(0,1fr) auto;grid-template-areas:"who days" "field field";margin-bottom:var(--s2)}
dl.facts{grid-template-columns:1fr;gap:0}
dl.facts dd{margin-bottom:var(--s2)}
table.stack,table.stack tbody,table.stack tr,table.stack td,table.stack th{display:block;border:0}
table.stack caption{display:block;padding:var(--s2)}
table.stack thead{display:none}
table.stack tr{border-top:1px solid var(--line);padding:var(--s2)}
table.stack tr:first-child{border-top:0}
table.stack{border:1px solid var(--line)}
table.stack td,table.stack th{padding:0 0 var(--s1);text-align:left}
table.stack td{display:inline-block;margin-right:var(--s3)}
table.stack td.seen,table.stack td.more{display:block}
table.stack td.none{display:none}
table.stack td[data-name]::before{content:attr(data-name) " ";color:var(--soft);font-size:var(--t1)}
}
@page{size:A4;margin:16mm 15mm}
@media print{
:root{color-scheme:light;--paper:#fff;--card:#fff;--ink:#000;--soft:#444;--line:#bbb;--wash:#f3f3f3;
--water:#1b5e86;--hit:#a83a15;--mark:#ffe3a8;--critical:#8f1230;--high:#a83a15;--medium:#7d5700;--low:#3f5f73;--informational:#444;
--had:#4c8b78;--gap:#d9a08a;--gone:#a9a3bd;--outside:#eee;
--s3:12px;--s4:16px;--s5:28px;--t1:8.5pt;--t2:9.5pt;--t3:12pt;--t4:17pt}
body{font-size:9.5pt;print-color-adjust:exact;-webkit-print-color-adjust:exact}
main,header,footer{max-width:none;padding-left:0;padding-right:0}
nav,.screen,.again,details.rest{display:none}
.print{display:block}
.card{padding:6px 8px;margin-top:6px}
.card h3{margin-bottom:2px}
.card dl.facts{display:block;line-height:1.35;font-size:var(--t1)}
.card dl.facts dt,.card dl.facts dd{display:inline}
.card dl.facts dt{font-weight:600}
.card dl.facts dt{margin-right:4px}
.card dl.facts dd{margin-right:10px}
.card dl.facts .again{display:none}
.card .near{margin-top:2px}
.log{line-height:1.35;padding:1px var(--s1);margin-top:1px}
th,td{padding:3px var(--s2)}
h2,h3,caption,.top,thead,h2+p{break-after:avoid}
tbody tr:first-child,h2+*{break-before:avoid}
tr,.card,figure,dl.figures,.strip{break-inside:avoid}
thead{display:table-header-group}
.scroll{overflow:visible}
p,li{orphans:3;widows:3}
main.page,header.page,footer.page{max-width:none}
.page h2{margin-top:10px}
.page,.page p,.page li{line-height:1.35}
.page p:not(.verdict),.page li,.page dd,.page dt{font-size:9pt}
.page ul.names li{margin-bottom:3px}
footer.page{padding:6px 0 0}
}
"#;
