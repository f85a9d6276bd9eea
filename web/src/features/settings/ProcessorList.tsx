// SPDX-License-Identifier: Apache-2.0
// Ordered list of pre- or postprocessors, each with its own fields.
import { ArrowDown, ArrowUp, X } from 'lucide-react';
import type { ChainNode } from '../../session/plan';
import type { PipelineSchema } from '../../session/types';
import { useLayout } from '../../state/hooks';
import { useSettings } from '../../state/settings';
import { IconButton } from '../../ui/Button';
import { Select } from '../../ui/Select';
import { ItemList } from './ItemList';

interface EntryProps {
  node: ChainNode;
  index: number;
  count: number;
  onMove: (by: -1 | 1) => void;
  onRemove: () => void;
}

function Entry({ node, index, count, onMove, onRemove }: EntryProps) {
  const items = useLayout(node, 'configuration').filter((item) => item.type === 'field');
  const { name } = node.schema;
  return (
    <li className="rounded-xl border border-line bg-raised">
      <div className="flex items-center gap-0.5 py-1 pr-1 pl-3">
        <span className="min-w-0 flex-1 truncate font-medium">{name}</span>
        <IconButton
          label={`Move ${name} up`}
          compact
          disabled={index === 0}
          onClick={() => onMove(-1)}
        >
          <ArrowUp size={14} aria-hidden />
        </IconButton>
        <IconButton
          label={`Move ${name} down`}
          compact
          disabled={index === count - 1}
          onClick={() => onMove(1)}
        >
          <ArrowDown size={14} aria-hidden />
        </IconButton>
        <IconButton label={`Remove ${name}`} compact onClick={onRemove}>
          <X size={14} aria-hidden />
        </IconButton>
      </div>
      {items.length > 0 && (
        <div className="flex flex-col gap-2 border-t border-line px-3 py-2.5">
          <ItemList node={node} items={items} />
        </div>
      )}
    </li>
  );
}

interface ProcessorListProps {
  kind: 'pre' | 'post';
  mainId: string;
  nodes: readonly ChainNode[];
  offered: readonly PipelineSchema[];
}

export function ProcessorList({ kind, mainId, nodes, offered }: ProcessorListProps) {
  const title = kind === 'pre' ? 'preprocessor' : 'postprocessor';
  const ids = nodes.map((node) => node.schema.id);
  const save = (next: string[]) =>
    useSettings.setState((settings) => ({ [kind]: { ...settings[kind], [mainId]: next } }));
  const move = (index: number, by: -1 | 1) => {
    const next = [...ids];
    const [moved] = next.splice(index, 1);
    if (moved !== undefined) next.splice(index + by, 0, moved);
    save(next);
  };
  return (
    <div className="flex flex-col gap-2" data-testid={`${kind}processors`}>
      <h3 className="text-soft">{kind === 'pre' ? 'Preprocessors' : 'Postprocessors'}</h3>
      {nodes.length > 0 && (
        <ol className="flex flex-col gap-1.5">
          {nodes.map((node, index) => (
            <Entry
              key={node.nodeId}
              node={node}
              index={index}
              count={nodes.length}
              onMove={(by) => move(index, by)}
              onRemove={() => save(ids.filter((_, i) => i !== index))}
            />
          ))}
        </ol>
      )}
      <Select
        label={`Add a ${title}`}
        testId={`add-${kind}processor`}
        value=""
        placeholder={`Add a ${title}`}
        groups={[
          {
            label: null,
            options: offered.map((schema) => ({
              value: schema.id,
              label: schema.name,
              detail: schema.description,
            })),
          },
        ]}
        onChange={(id) => save([...ids, id])}
      />
    </div>
  );
}
