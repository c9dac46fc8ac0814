// The checks of scripts/check-package that look inside: our package against the one of `tfx`, and `task.json`
// against the task library's schema.
// Rule: every check fails by throwing; what could not be checked is said in a line that begins with `skipped:`.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

// Of all six platforms as released, and of one as this machine's toolchain builds it.
const MAX_BYTES = { 6: 12_000_000, 1: 2_400_000 };
const SCRIPTS = ['task/launcher.js', 'task/post-job.js'];
// Crates of Rust's standard library: its component and its notice stand for them.
const OF_THE_STANDARD_LIBRARY = /^(?:hashbrown|rustc-demangle)-/;
const CONTENT_TYPES = '[Content_Types].xml';

// The schema is no part of the library's package: it stands in its repository alone.
const SCHEMA = {
  url: 'https://raw.githubusercontent.com/microsoft/azure-pipelines-task-lib/1b6318cff0a8624f6c309da61d8a3948162558d2/tasks.schema.json',
  sha256: 'fb4324a74b3d2b355cd94c66667801e21727dfba3b1664830ed5dc6ca454e1bf',
};

const [tools, oursPath, theirsPath] = process.argv.slice(2);
const require = createRequire(`${tools}/package.json`);
const JSZip = require('jszip');
const { parseStringPromise: parseXml } = require('xml2js');
const Ajv = require('ajv-draft-04');

const ours = await unpack(oursPath);
const theirs = await unpack(theirsPath);

await sameContents();
await sizeAndScripts();
await validTask();
await validBill();
billIsComplete();

/** The entries of an archive by name: contents, and null for a folder. */
async function unpack(path) {
  const zip = await JSZip.loadAsync(await readFile(path));
  const entries = Object.values(zip.files).sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    assert.equal(entry.unixPermissions, null, `${path}: ${entry.name} has a mode`);
  }
  const contents = await Promise.all(entries.map(entry => (entry.dir ? null : entry.async('nodebuffer'))));
  return new Map(entries.map((entry, index) => [entry.name, contents[index]]));
}

async function sameContents() {
  assert.deepEqual([...ours.keys()], [...theirs.keys()]);
  for (const [name, contents] of ours) {
    if (name === CONTENT_TYPES) {
      assert.deepEqual(await contentTypes(contents), await contentTypes(theirs.get(name)));
    } else {
      assert.ok(contents === null || contents.equals(theirs.get(name)), `${name} differs from that of tfx`);
    }
  }
  console.log(`ok: ${ours.size} entries are those of tfx`);
}

/** The content types by suffix and by part; a binary's own type is what tfx guesses from its bytes. */
async function contentTypes(text) {
  const { Types: { Default: suffixes, Override: parts } } = await parseXml(text);
  return {
    suffixes: new Map(suffixes.map(({ $: { Extension, ContentType } }) => (
      [Extension, Extension === '.exe' ? 'binary' : ContentType])).sort()),
    parts: new Map(parts.map(({ $: { PartName, ContentType } }) => (
      [PartName, PartName.startsWith('/task/bin/') ? 'binary' : ContentType])).sort()),
  };
}

async function sizeAndScripts() {
  const { length } = await readFile(oursPath);
  const limit = MAX_BYTES[binaries().length];
  assert.ok(length <= limit, `the package has ${length} bytes, more than ${limit}`);
  assert.deepEqual([...ours.keys()].filter(name => /\.[cm]?js$/.test(name)), SCRIPTS);
  console.log(`ok: ${length} bytes, no script but the launcher's`);
}

async function validTask() {
  const schema = await readSchema();
  if (!schema) {
    console.log('skipped: the task library\'s schema cannot be reached; the packer\'s own test of task.json stands for it');
    return;
  }
  const ajv = new Ajv({ allErrors: true, strict: false, unicodeRegExp: false });
  const valid = ajv.validate(schema, JSON.parse(ours.get('task/task.json')));
  assert.ok(valid, `task.json: ${ajv.errorsText(ajv.errors, { dataVar: 'task', separator: '\n' })}`);
  console.log('ok: task.json fits the task library\'s schema');
}

async function validBill() {
  const load = async name => JSON.parse(await readFile(
    `${tools}/node_modules/@cyclonedx/cyclonedx-library/res/schema/${name}.SNAPSHOT.schema.json`));
  const ajv = new (require('ajv'))({ allErrors: true, strict: false, validateFormats: false });
  // The library's copies refer to one another by their file names.
  for (const name of ['spdx', 'jsf-0.82']) {
    ajv.addSchema(await load(name), `http://cyclonedx.org/schema/${name}.SNAPSHOT.schema.json`);
  }
  const valid = ajv.validate(await load('bom-1.6'), bill());
  assert.ok(valid, `sbom.cdx.json: ${ajv.errorsText(ajv.errors, { dataVar: 'bill', separator: '\n' })}`);
  console.log('ok: the bill of materials fits the schema of CycloneDX 1.6');
}

function binaries() {
  return [...ours.keys()].filter(name => name.startsWith('task/bin/') && !name.endsWith('/'));
}

function bill() {
  return JSON.parse(ours.get('task/sbom.cdx.json'));
}

/** Panic messages in a binary name the crates that it is made of. */
function billIsComplete() {
  const notices = ours.get('task/THIRD-PARTY-NOTICES.txt').toString();
  const billed = new Set(bill().components.map(({ name, version }) => `${name}-${version}`));
  const linked = new Set(binaries().flatMap(name => [...ours.get(name).toString('latin1')
    .matchAll(/\/cargo\/registry\/src\/[^/]+\/([^/]+)\//g)].map(match => match[1])));
  assert.ok(linked.size > 20, `the binaries name ${linked.size} crates`);
  for (const crate of [...linked].filter(crate => !OF_THE_STANDARD_LIBRARY.test(crate))) {
    assert.ok(billed.has(crate), `${crate} is linked, but not in the bill of materials`);
  }
  for (const { name, version = '' } of bill().components) {
    assert.ok(notices.includes(`\n${[name, version].filter(Boolean).join(' ')} (`), `no notice names ${name}`);
  }
  console.log(`ok: all ${billed.size} components have a notice, the ${linked.size} that the binaries name among them`);
}

/** The schema from the file that the environment names, else from its pinned address; null if there is no way to it. */
async function readSchema() {
  const file = process.env.FEEDBUILD_TASK_SCHEMA;
  let text;
  if (file) {
    text = await readFile(file);
  } else {
    try {
      const response = await fetch(SCHEMA.url, { signal: AbortSignal.timeout(10_000) });
      if (!response.ok) return null;
      text = Buffer.from(await response.arrayBuffer());
    } catch {
      return null;
    }
  }
  assert.equal(createHash('sha256').update(text).digest('hex'), SCHEMA.sha256, 'this is another version of the schema');
  return JSON.parse(text);
}
