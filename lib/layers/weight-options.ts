// The options of a layer for one of its weights: how it starts, what penalty it adds to the loss, and what it is held to.
import * as constraints from '../constraints'
import * as initializers from '../initializers'
import * as regularizers from '../regularizers'
import type { Config } from '../serialization'

/** Initializer, regularizer and constraint of a weight. */
export interface WeightSettings {
  readonly initializer: initializers.Initializer
  readonly regularizer: regularizers.Regularizer | undefined
  readonly constraint: constraints.Constraint | undefined
}

/** Options for a weight `Name`, a property for each. */
type OptionsFor<Name extends string> = {
  readonly [K in `${Name}Initializer`]?: initializers.InitializerSpec | undefined
} & { readonly [K in `${Name}Regularizer`]?: regularizers.RegularizerSpec | null | undefined } & {
  readonly [K in `${Name}Constraint`]?: constraints.ConstraintSpec | null | undefined
}

/** What `options` say for the weight `name`. @throws ArgumentError for unknown names */
export function weightOptions<Name extends string>(
  name: Name,
  options: OptionsFor<Name>,
  initializer: initializers.InitializerSpec
): WeightSettings {
  const given = options as { readonly [property: string]: never }
  return {
    initializer: initializers.get(given[`${name}Initializer`] ?? initializer),
    regularizer: regularizers.get(given[`${name}Regularizer`]),
    constraint: constraints.get(given[`${name}Constraint`])
  }
}

/** The options for the weight `name` as a file holds them. */
export function weightConfig(name: string, { initializer, regularizer, constraint }: WeightSettings): Config {
  return {
    [`${name}Initializer`]: initializers.serialize(initializer),
    [`${name}Regularizer`]: regularizers.serialize(regularizer) ?? null,
    [`${name}Constraint`]: constraints.serialize(constraint) ?? null
  }
}
