// Renders a log as the service's log viewer shows it, or a run's summary as its run page does. For scripts/pictures.
//
//   node pictures.js log|refused|summary REGISTRY COLLECTION <TEXT >PAGE
'use strict';

const fs = require('fs');

const [kind, registry, collection] = process.argv.slice(2);
const text = fs.readFileSync(0, 'utf8')
  .replaceAll(registry, 'registry.contoso.com')
  .replaceAll(new URL(collection).host, 'pkgs.dev.azure.com')
  .replaceAll('127.0.0.1:9/', 'pypi.contoso.com/') // the index of the image that stands in for python:3.12-slim
  .replace(/\bhttp:/g, 'https:')
  .replace(/[^ ]*\/feedbuild-job-\w+\/_work/g, '/home/vsts/work');

const escape = line => line.replace(/&/g, '&amp;').replace(/</g, '&lt;');

/** The groups that a reader has not opened. */
const FOLDED = { log: ['Push'], refused: ['Sign in', 'Build'] };

/** The rows of a log; the viewer takes off the mark of a line and shows its color. */
function log() {
  let number = 0;
  let folded = false;
  const rows = text.trimEnd().split('\n').map(line => {
    const [, mark = '', rest] = /^(?:##\[(\w+)\])?(.*)$/.exec(line);
    if (mark === 'endgroup') {
      folded = false;
      return '';
    }
    number += 1;
    if (folded) return '';
    folded = mark === 'group' && FOLDED[kind].includes(rest);
    return `<li class="${mark}${folded ? ' folded' : ''}"><i>${number}</i><span>${escape(rest)}</span></li>\n`;
  });
  return `<ol>${rows.join('')}</ol>`;
}

function summary() {
  const render = require('markdown-it')({ html: true });
  return render.render(text);
}

const LOG = `
  body { background: #1b1a19; color: #eaeaea; font: 12.5px/18px 'DejaVu Sans Mono', monospace; padding: 12px 16px 12px 0 }
  ol { list-style: none; margin: 0; padding: 0 }
  li { display: flex }
  i { flex: 0 0 44px; margin-right: 14px; text-align: right; color: #8a8886; font-style: normal }
  span { white-space: pre-wrap; overflow-wrap: anywhere; min-width: 0 }
  .group span::before { content: '\\25bc\\00a0'; font-size: 10px }
  .folded span::before { content: '\\25b6\\00a0' }
  .section { color: #57b956 }
  .command { color: #5ca9e8 }
  .warning { color: #f3a73b }
  .error { color: #f28b82 }
`;
const SUMMARY = `
  body { background: #fff; color: #201f1e; font: 14px/20px 'DejaVu Sans', sans-serif; padding: 12px 34px }
  code, pre { background: #f4f5f7; border-radius: 4px; font: 12.5px/15px 'DejaVu Sans Mono', monospace; padding: 1px 5px }
  pre { padding: 12px } pre code { padding: 0 }
  table { border-collapse: collapse; margin: 14px 0 } th { background: #f6f7f9; text-align: left }
  thead:not(:has(th:not(:empty))) { display: none }
  td, th { border: 1px solid #d0d4d9; padding: 3px 11px }
`;

process.stdout.write(`<!DOCTYPE html>
<meta charset="utf-8">
<style>* { box-sizing: border-box } body { margin: 0; width: 1040px }${kind === 'summary' ? SUMMARY : LOG}</style>
<body>${kind === 'summary' ? summary() : log()}
<script>document.body.dataset.height = Math.ceil(document.body.getBoundingClientRect().height)</script>
`);
