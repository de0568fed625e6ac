// hvd images: guests from elsewhere, prepared so that `hvd run` knows them by name.
import { Argument, type Command } from 'commander';
import { printLine, printTable } from '../output.js';

export const addImages = (program: Command): void => {
  const images = program.command('images').description('guests from elsewhere, by name');
  images
    .command('fetch')
    .addArgument(new Argument('<name>', 'which').choices(['debian']))
    .description("download and prepare: debian is Debian's cloud kernel with a busybox shell (needs apt and dpkg, installs nothing)")
    .action(async () => {
      const { fetchDebian } = await import('../images/debian.js');
      printLine(fetchDebian());
    });
  images
    .command('list')
    .description('what is prepared')
    .action(async () => {
      const { imageFolder, preparedImages } = await import('../../root/config/prepared-images.js');
      printTable(
        ['IMAGE', 'FOLDER'],
        preparedImages().map((name) => [name, imageFolder(name)]),
      );
    });
};
