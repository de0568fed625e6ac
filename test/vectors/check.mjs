// Checks the simulated processor against this host's: node test/vectors/check.mjs [--cases N] [--seed N] [--modes 64,32,16] [--only REGEX] [--aligned] [--sequences segments|images] [--replay 'LINE']
import { checkCommand } from '../../dist/test/vectors/live/check-command.js';

process.exitCode = checkCommand(process.argv.slice(2));
