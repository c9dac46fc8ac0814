'use strict';
// The task's entry point: starts the native binary, passes the agent's signals on, waits for it.
// Rule: exit code 0 and a result said in words, because an agent may take a handler killed by a signal for a success.
// Node's built-ins only, as Node 10 has them, ES2018; no logic of the task lives here.

const fs = require('fs');
const path = require('path');
const { execFileSync, spawn } = require('child_process');

const OS_NAMES = { darwin: 'osx', win32: 'win' };

/** A 64-bit machine's name in Node's words: by `uname -m`, and by Windows' environment. */
const MACHINES = { x86_64: 'x64', aarch64: 'arm64', AMD64: 'x64', ARM64: 'arm64' };

/** What to do about a binary that a signal ended. */
const HINTS = {
  SIGABRT: 'the lines before this one say why; if no memory was left, give the agent more',
  SIGKILL: 'look for an out-of-memory kill in the machine\'s kernel log: `dmesg`',
};

/** The architecture of the machine: that of Node, or what is below a 32-bit Node, which can start 64-bit programs. */
function architecture() {
  switch (`${process.platform} ${process.arch}`) {
    case 'win32 ia32':
      return MACHINES[process.env.PROCESSOR_ARCHITEW6432] || process.arch;
    case 'linux ia32':
    case 'linux arm':
      return MACHINES[execFileSync('uname', ['-m'], { encoding: 'utf8' }).trim()] || process.arch;
    default:
      return process.arch;
  }
}

/** The packaged binary for this machine. */
function findBinary() {
  const platform = `${OS_NAMES[process.platform] || process.platform}-${architecture()}`;
  const bin = path.join(__dirname, 'bin');
  const binary = path.join(bin, platform, process.platform === 'win32' ? 'feedbuild.exe' : 'feedbuild');
  if (!fs.existsSync(binary)) {
    throw new Error(`this extension has no binary for ${platform}: \`${binary}\` is missing\n\n`
      + `hint: run the job on one of the platforms it was built for: ${fs.readdirSync(bin).join(', ')}`);
  }
  return binary;
}

/** Whether `file` can be run; false too on a file system that is mounted `noexec`. */
function isExecutable(file) {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return true;
  } catch (_) {
    return false;
  }
}

/** `binary`, which the agent unpacked without mode bits, made executable; where that can't be, a private copy. */
function makeExecutable(binary) {
  if (isExecutable(binary)) {
    return binary;
  }
  try {
    fs.chmodSync(binary, 0o755);
  } catch (_) {
    // Another user's file or a read-only mount.
  }
  if (isExecutable(binary)) {
    return binary;
  }
  const temp = process.env.AGENT_TEMPDIRECTORY;
  const copy = privateCopy(binary, temp);
  if (!isExecutable(copy)) {
    throw new Error(`neither \`${binary}\` nor a copy in the agent's temp folder \`${temp}\` can be executed\n\n`
      + `hint: mount the file system of \`${temp}\` without \`noexec\``);
  }
  return copy;
}

/** An executable copy of `binary` in a new folder below `temp`, which goes away with this process. */
function privateCopy(binary, temp) {
  try {
    const folder = fs.mkdtempSync(path.join(temp, 'feedbuild-'));
    const copy = path.join(folder, path.basename(binary));
    process.on('exit', () => {
      try {
        fs.unlinkSync(copy);
        fs.rmdirSync(folder);
      } catch (_) {
        // The post-job stage removes what is left.
      }
    });
    fs.copyFileSync(binary, copy);
    fs.chmodSync(copy, 0o755);
    return copy;
  } catch (error) {
    throw new Error(`\`${binary}\` is not executable where it is, and cannot be copied: ${error.message}\n\n`
      + `hint: let the agent's user write to its temp folder \`${temp}\`, and free some disk space there`);
  }
}

/** Runs `binary stage` to its end on the agent's streams, with the agent's environment. */
function supervise(binary, stage) {
  return new Promise((resolve, reject) => {
    let child;
    // Before the start: a signal that came between would end us and leave the child alone.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGBREAK']) {
      let forwarded = false;
      // The handler stays after its first call, for the same reason.
      process.on(signal, () => {
        // On Windows the console signals the child itself, and kill() would end it at once.
        if (child && !forwarded && process.platform !== 'win32') {
          child.kill(signal);
        }
        forwarded = true;
      });
    }
    child = spawn(binary, [stage], { stdio: ['ignore', 'inherit', 'inherit'] });
    child.on('error', error => reject(new Error(`cannot start \`${binary}\`: ${error.code}`)));
    child.on('exit', (code, signal) => {
      if (code === 0) {
        return resolve();
      }
      const end = signal ? `was killed by ${signal}` : `ended with exit code ${code}`;
      const hint = HINTS[signal] ? `\n\nhint: ${HINTS[signal]}` : '';
      return reject(new Error(`\`${binary} ${stage}\` ${end} without a result${hint}`));
    });
  });
}

/** Prints a logging command; `%` is escaped first, because the agent decodes `%3B` and `%5D` in data too. */
function tell(command, data) {
  const escaped = data.replace(/%/g, '%AZP25').replace(/\r/g, '%0D').replace(/\n/g, '%0A');
  process.stdout.write(`##vso[${command}]${escaped}\n`);
}

/** Keeps memory, in which the agent's environment is, out of core dumps of this process and of what it starts. */
function keepOutOfCoreDumps() {
  try {
    fs.writeFileSync('/proc/self/coredump_filter', '0');
  } catch (_) {
    // Not Linux, or a kernel without it: a second line of defence.
  }
}

/** Runs one stage of the task: `run` or `post-job`. */
async function launch(stage) {
  keepOutOfCoreDumps();
  try {
    await supervise(makeExecutable(findBinary()), stage);
  } catch (error) {
    // Two commands: the agent logs an issue's text, but not a result's.
    tell('task.logissue type=error;', error.message);
    tell('task.complete result=Failed;', error.message);
  }
}

module.exports = { launch };

if (require.main === module) {
  launch('run');
}
