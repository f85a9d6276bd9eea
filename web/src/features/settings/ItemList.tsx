// SPDX-License-Identifier: Apache-2.0
// The controls of one category in order: plain fields and blocks.
import type { BlockItem, Item } from '../../schema/fields';
import type { ChainNode } from '../../session/plan';
import { CacheBlock } from './blocks/CacheBlock';
import { LoraBlock } from './blocks/LoraBlock';
import { NoiseBlock } from './blocks/NoiseBlock';
import { QuantizationBlock } from './blocks/QuantizationBlock';
import { ResolutionBlock } from './blocks/ResolutionBlock';
import { StepsBlock } from './blocks/StepsBlock';
import { VaceBlock } from './blocks/VaceBlock';
import { FieldControl } from './FieldControl';

export interface BlockProps {
  node: ChainNode;
  block: BlockItem;
}

function Block(props: BlockProps) {
  switch (props.block.component) {
    case 'resolution':
      return <ResolutionBlock {...props} />;
    case 'cache':
      return <CacheBlock {...props} />;
    case 'denoising_steps':
      return <StepsBlock {...props} />;
    case 'noise':
      return <NoiseBlock {...props} />;
    case 'quantization':
      return <QuantizationBlock {...props} />;
    case 'lora':
      return <LoraBlock {...props} />;
    case 'vace':
      return <VaceBlock {...props} />;
  }
}

export function ItemList({ node, items }: { node: ChainNode; items: readonly Item[] }) {
  return (
    <>
      {items.map((item) =>
        item.type === 'field' ? (
          <FieldControl
            key={`${node.schema.id}:${node.mode}:${item.field.key}`}
            node={node}
            field={item.field}
          />
        ) : (
          <Block key={item.component} node={node} block={item} />
        ),
      )}
    </>
  );
}
