// SPDX-License-Identifier: Apache-2.0
//! Correlation rules: what they count, in which window, and when that is enough.
//!
//! Sigma correlation rules specification 2.1. The window slides: a match counts together with all that are no
//! more than the time span older than it, both ends included. A count that must be *less* than something is
//! looked at when a match comes, as no event says that there was none.

/// What is counted over the matches of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Matches.
    EventCount,
    /// Whether rules matched, in any order.
    Temporal,
    /// Whether rules matched one after another.
    TemporalOrdered,
    /// Mean of a field.
    ValueAvg,
    /// Distinct values of a field, or of several together; case makes no difference.
    ValueCount,
    /// The value of a field below which this many per cent lie, between two by linear interpolation.
    ValuePercentile(u8),
    /// Sum of a field.
    ValueSum,
}

/// How a count is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `eq`
    Equal,
    /// `gt`
    Greater,
    /// `gte`
    GreaterOrEqual,
    /// `lt`
    Less,
    /// `lte`
    LessOrEqual,
    /// `neq`
    Unequal,
}

impl Comparison {
    /// Whether a count compares so with the threshold.
    #[expect(clippy::float_cmp, reason = "`eq` of the specification is equality")]
    pub fn holds(self, count: f64, threshold: f64) -> bool {
        match self {
            Comparison::Equal => count == threshold,
            Comparison::Greater => count > threshold,
            Comparison::GreaterOrEqual => count >= threshold,
            Comparison::Less => count < threshold,
            Comparison::LessOrEqual => count <= threshold,
            Comparison::Unequal => count != threshold,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Comparison::Equal => "exactly",
            Comparison::Greater => "more than",
            Comparison::GreaterOrEqual => "at least",
            Comparison::Less => "less than",
            Comparison::LessOrEqual => "at most",
            Comparison::Unequal => "other than",
        }
    }
}

/// Which rules must have matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// All of these hold.
    All(Vec<Expression>),
    /// One of these holds.
    Any(Vec<Expression>),
    /// This does not hold.
    Not(Box<Expression>),
    /// The rule of this name matched.
    Rule(String),
}

impl Expression {
    /// Whether it holds, where `matched` says of a rule whether it did.
    pub fn holds(&self, matched: &dyn Fn(&str) -> bool) -> bool {
        match self {
            Expression::All(all) => all.iter().all(|e| e.holds(matched)),
            Expression::Any(all) => all.iter().any(|e| e.holds(matched)),
            Expression::Not(inner) => !inner.holds(matched),
            Expression::Rule(name) => matched(name),
        }
    }

    fn names<'a>(&'a self, into: &mut Vec<&'a str>) {
        match self {
            Expression::All(all) | Expression::Any(all) => all.iter().for_each(|e| e.names(into)),
            Expression::Not(inner) => inner.names(into),
            Expression::Rule(name) => into.push(name),
        }
    }
}

/// When it is enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// These rules matched.
    Rules(Expression),
    /// The count compares so, in every way given.
    Threshold(Vec<(Comparison, u64)>),
}

/// A field by another name in each rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// The name in `group-by` and `field`.
    pub name: String,
    /// (rule, its field).
    pub fields: Vec<(String, String)>,
}

/// A correlation rule without its head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correlation {
    /// What is counted.
    pub measure: Measure,
    /// Whether the percentile was written as `value_median`.
    pub median: bool,
    /// Ids or names of the rules whose matches count, correlations among them.
    pub rules: Vec<String>,
    /// Fields whose values make a group; without any, all matches are one group.
    pub group_by: Vec<String>,
    /// Fields whose values are counted.
    pub fields: Vec<String>,
    /// The window.
    pub timespan_seconds: u64,
    /// The window as it was written, `1h`.
    pub timespan: String,
    /// When it is enough.
    pub condition: Condition,
    /// Other names of fields.
    pub aliases: Vec<Alias>,
    /// Whether the rules that it names are reported by themselves too.
    pub generate: bool,
}

/// Longest window: ten years.
const TIMESPAN_SECONDS_MAX: u64 = 10 * 366 * 24 * 3_600;
/// Most rules that one correlation names.
const RULES_MAX: usize = 64;

impl Correlation {
    /// The correlation, if it makes sense by itself.
    pub(super) fn checked(self) -> Result<Correlation, String> {
        let temporal = matches!(self.measure, Measure::Temporal | Measure::TemporalOrdered);
        if self.rules.is_empty() || self.rules.len() > RULES_MAX {
            return Err(format!("it names {} rules; name 1 to {RULES_MAX}", self.rules.len()));
        }
        if self.timespan_seconds == 0 || self.timespan_seconds > TIMESPAN_SECONDS_MAX {
            return Err(format!("its time span `{}` is not between 1s and 10y", self.timespan));
        }
        if !temporal && self.measure != Measure::EventCount && self.fields.is_empty() {
            return Err("its condition names no `field` whose values are counted".to_owned());
        }
        if !temporal && self.measure != Measure::ValueCount && self.fields.len() > 1 {
            return Err("its condition names several fields, which only value_count can count".to_owned());
        }
        if let Condition::Rules(expression) = &self.condition {
            if self.measure != Measure::Temporal {
                return Err("only a temporal correlation has a condition over rules".to_owned());
            }
            let mut names = Vec::new();
            expression.names(&mut names);
            if let Some(missing) = names.into_iter().find(|name| !self.rules.iter().any(|rule| rule == name))
            {
                return Err(format!("its condition names `{missing}`, which is not among its rules"));
            }
        }
        Ok(self)
    }

    /// The field of a rule that stands for a name in `group-by` or `field`.
    pub(super) fn field_of<'a>(&'a self, name: &'a str, rule: &str) -> &'a str {
        let alias = self.aliases.iter().find(|alias| alias.name == name);
        let field = alias.and_then(|alias| alias.fields.iter().find(|(of, _)| of == rule));
        field.map_or(name, |(_, field)| field)
    }

    /// The threshold in words: `at least 10 values of TargetUserName within 1h by IpAddress`.
    pub fn in_words(&self) -> String {
        let by = if self.group_by.is_empty() {
            String::new()
        } else {
            format!(" by {}", self.group_by.join(", "))
        };
        let within = format!(" within {}{by}", self.timespan);
        let fields = self.fields.join(", ");
        let rules = self.rules.len();
        let comparisons = |comparisons: &[(Comparison, u64)]| {
            let each: Vec<String> = comparisons.iter().map(|(c, n)| format!("{} {n}", c.words())).collect();
            each.join(" and ")
        };
        match (&self.measure, &self.condition) {
            (_, Condition::Rules(_)) => format!("the rules that its condition demands matched{within}"),
            (Measure::TemporalOrdered, _) => format!("{rules} rules matched in their order{within}"),
            (Measure::Temporal, Condition::Threshold(all)) if !self.wants_all(all) => {
                format!("{} of {rules} rules matched{within}", comparisons(all))
            }
            (Measure::Temporal, _) => format!("{rules} rules matched{within}"),
            (Measure::EventCount, Condition::Threshold(all)) => {
                format!("{} events{within}", comparisons(all))
            }
            (Measure::ValueCount, Condition::Threshold(all)) => {
                format!("{} values of {fields}{within}", comparisons(all))
            }
            (Measure::ValueSum, Condition::Threshold(all)) => {
                format!("sum of {fields} {}{within}", comparisons(all))
            }
            (Measure::ValueAvg, Condition::Threshold(all)) => {
                format!("mean of {fields} {}{within}", comparisons(all))
            }
            (Measure::ValuePercentile(rank), Condition::Threshold(all)) => {
                format!("percentile {rank} of {fields} {}{within}", comparisons(all))
            }
        }
    }

    /// A temporal correlation without a condition wants all of its rules, which the parser gives as `gte: 1`.
    pub(super) fn wants_all(&self, comparisons: &[(Comparison, u64)]) -> bool {
        comparisons == [(Comparison::GreaterOrEqual, 1)]
    }
}
