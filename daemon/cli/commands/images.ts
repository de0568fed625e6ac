// hvd images: guests from elsewhere, prepared so that `hvd run` knows them by name.
import { Argument, type Command } from 'commander';
import { IMAGES } from '../images/names.js';
import { printLine, printTable } from '../output.js';

export const addImages = (program: Command): void => {
  const images = program.command('images').description('guests from elsewhere, by name');
  images
    .command('fetch')
    .addArgument(new Argument('<name>', 'which').choices(Object.keys(IMAGES)))
    .description(
      `download and prepare, kernels with a busybox shell (needs apt and dpkg, installs nothing): ${Object.entries(IMAGES)
        .map(([name, what]) => `${name} is ${what}`)
        .join(', ')}`,
    )
    .action(async (name: keyof typeof IMAGES) => {
      const { fetchDebian } = await import('../images/debian.js');
      const { fetchSeabios } = await import('../images/seabios.js');
      printLine(name === 'seabios' ? fetchSeabios() : fetchDebian(name));
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
