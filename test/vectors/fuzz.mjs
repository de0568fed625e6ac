// Runs random programs on this host's processor and three ways on the simulated one: node test/vectors/fuzz.mjs [--programs N] [--seed N] [--modes 64,32,16] [--no-host] [--replay 'LINE']
import { fuzzCommand } from '../../dist/test/vectors/live/fuzz-command.js';

process.exitCode = fuzzCommand(process.argv.slice(2));
