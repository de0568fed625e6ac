// The last line: pages and keys.
import { Box, Text } from 'ink';
import { PAGES, type Page } from './screen-state.js';

export interface FooterProps {
  readonly page: Page;
  readonly paused: boolean;
  readonly help: boolean;
  readonly columns: number;
}

export function Footer({ page, paused, help, columns }: FooterProps): React.ReactElement {
  const wide = columns >= 112;
  return (
    <Box height={1} flexShrink={0} justifyContent="space-between" paddingX={1}>
      <Text wrap="truncate">
        {PAGES.map((name, index) => (
          <Text key={name} inverse={name === page} dimColor={name !== page}>{` ${index + 1} ${name} `}</Text>
        ))}
      </Text>
      <Text dimColor wrap="truncate">
        {`${wide ? `↑↓ LP  ←→ partition  tab page  p ${paused ? 'go on' : 'pause'}  ` : ''}? ${help ? 'close' : 'help'}  q quit`}
      </Text>
    </Box>
  );
}
