/** Filters as pills: click to edit, exclude, disable or delete. */
import { Menu } from '@mantine/core'
import { IconBan, IconEye, IconEyeOff, IconSwitchHorizontal, IconTrash, IconX } from '@tabler/icons-react'

import { dropFilter, filterWords, type Filter } from './filters'

interface PillsProps {
  filters: readonly Filter[]
  onChange: (filters: Filter[]) => void
}

/** Every filter of the page, in the order they were made. */
export function FilterPills({ filters, onChange }: PillsProps) {
  const swap = (filter: Filter, change: Partial<Filter>) => { onChange(filters.map((other) => (other === filter ? { ...other, ...change } : other))) }
  return (
    <>
      {filters.map((filter) => {
        const said = filterWords(filter)
        return (
          <span key={JSON.stringify(filter)} className={filter.off ? 'pill closes off' : 'pill closes'}>
            <Menu position="bottom-start" transitionProps={{ duration: 0 }}>
              <Menu.Target>
                <button type="button" aria-label={`Filter ${filter.not ? 'not ' : ''}${filter.field}: ${said}${filter.off ? ', off' : ''}`} title={`${filter.field}: ${said}`}>
                  {filter.not && <em>not</em>}
                  <span>{filter.field}:</span>
                  <b className="cut" style={{ maxWidth: 260 }}>{said}</b>
                </button>
              </Menu.Target>
              <Menu.Dropdown>
                <Menu.Item leftSection={<IconSwitchHorizontal className="icon" size={14} />} onClick={() => { swap(filter, { not: !filter.not }) }}>{filter.not ? 'Include' : 'Exclude'}</Menu.Item>
                <Menu.Item leftSection={filter.off ? <IconEye className="icon" size={14} /> : <IconEyeOff className="icon" size={14} />} onClick={() => { swap(filter, { off: !filter.off }) }}>{filter.off ? 'Turn on' : 'Turn off'}</Menu.Item>
                <Menu.Item leftSection={<IconBan className="icon" size={14} />} onClick={() => { onChange(filters.map((other) => (other === filter ? other : { ...other, off: true }))) }}>Only this one</Menu.Item>
                <Menu.Item leftSection={<IconTrash className="icon" size={14} />} onClick={() => { onChange(dropFilter(filters, filter)) }}>Remove</Menu.Item>
              </Menu.Dropdown>
            </Menu>
            <button type="button" aria-label={`Remove filter ${filter.field}: ${said}`} onClick={() => { onChange(dropFilter(filters, filter)) }}><IconX className="icon" size={12} /></button>
          </span>
        )
      })}
    </>
  )
}
