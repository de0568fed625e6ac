// A border with its title in it, around a painted region.
import { Box, Text } from 'ink';
import { type Hit, Region } from './region.js';

export interface FrameProps {
  readonly title: string;
  readonly width: number;
  readonly height: number;
  readonly lines: (width: number, height: number) => readonly string[];
  /** What a click inside the border does. */
  readonly hit?: Hit | undefined;
}

export function Frame({ title, width, height, lines, hit }: FrameProps): React.ReactElement {
  const text = ` ${title} `.slice(0, Math.max(0, width - 4));
  return (
    <Box borderStyle="round" borderColor="gray" width={width} height={height} flexShrink={0}>
      <Box position="absolute" marginTop={-1} marginLeft={1} width={text.length}>
        <Text bold wrap="truncate">
          {text}
        </Text>
      </Box>
      <Region lines={lines} hit={hit} width={Math.max(0, width - 2)} height={Math.max(0, height - 2)} />
    </Box>
  );
}
