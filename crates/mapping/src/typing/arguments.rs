//! Whether arguments fit the signature of the function that they are handed.

use sluice_model::codes;
use sluice_model::types::Type;

use crate::ast::{Expr, TextRange};
use crate::functions::Function;
use crate::signature::{Kinds, SignatureParameter};
use crate::typing::Problem;
use crate::typing::explain::described;
use crate::typing::known::Known;
use crate::typing::shape::{self, KindSet};
use crate::typing::walk::Checker;

/// An argument of a call.
#[derive(Debug, Clone)]
pub(super) struct Argument<'e> {
    /// The expression, if it stands in the text.
    pub expr: Option<&'e Expr>,
    /// What it is in words, if not.
    pub stands_for: &'static str,
    /// What is known of it.
    pub known: Known<'e>,
    /// Whether it is a function definition, which is typed once its parameters are known.
    pub deferred: bool,
}

/// Which of our kinds is which of a signature's.
const KINDS: [(KindSet, Kinds, &str); 6] = [
    (KindSet::TEXT, Kinds::TEXT, "a text"),
    (KindSet::NUMBER, Kinds::NUMBER, "a number"),
    (KindSet::BOOL, Kinds::BOOL, "a boolean"),
    (KindSet::LIST, Kinds::LIST, "a list"),
    (KindSet::RECORD, Kinds::RECORD, "a record"),
    (KindSet::FUNCTION, Kinds::FUNCTION, "a function"),
];

impl<'e> Checker<'e, '_> {
    /// Puts the context in where a function takes it for a first argument that is left out.
    pub fn with_context(&self, function: &Function, arguments: &mut Vec<Argument<'e>>) {
        let [first, rest @ ..] = function.parsed().parameters.as_slice() else {
            return;
        };
        let needed = rest.iter().filter(|own| !own.optional).count();
        if !first.context || needed < arguments.len() {
            return;
        }
        let context = &self.scope.context;
        // With as many arguments as are needed behind it, the first tells whether it is the first.
        if let (Some(given), Some(second)) = (arguments.first(), rest.first())
            && arguments.len() == needed
            && (!could_be(&given.known, second)
                || (could_be(&given.known, first) && !could_be(context, first)))
        {
            return;
        }
        let context = Argument {
            expr: None,
            stands_for: "the context",
            known: context.clone(),
            deferred: false,
        };
        arguments.insert(0, context);
    }

    /// Tells arguments that do not fit; returns whether their number does.
    pub fn check_arguments(
        &mut self,
        range: TextRange,
        function: &'static Function,
        arguments: &[Argument<'e>],
    ) -> bool {
        let parameters = &function.parsed().parameters;
        let least = parameters.iter().filter(|own| !own.optional || own.context);
        let least = least.count();
        let repeated = parameters.last().is_some_and(|last| last.repeated);
        let most = parameters.len();
        let count = arguments.len();
        if count < least || (most < count && !repeated) {
            let wanted = match (least, most) {
                _ if repeated => format!("{least} or more"),
                (0, 0) => "no".to_owned(),
                (least, most) if least == most => least.to_string(),
                (least, most) => format!("{least} to {most}"),
            };
            let plural = if wanted == "1" {
                "argument"
            } else {
                "arguments"
            };
            let name = function.name;
            let here = match count {
                0 => "here is none".to_owned(),
                1 => "here is 1".to_owned(),
                count => format!("here are {count}"),
            };
            let message = format!("`${name}` takes {wanted} {plural}, {here}");
            self.tell(
                Problem::error(range, codes::BAD_ARGUMENT, message)
                    .with_label(here)
                    .with_help(format!("its signature is `{}`", function.signature)),
            );
            return false;
        }
        for (index, argument) in arguments.iter().enumerate() {
            let Some(parameter) = parameters.get(index).or(parameters.last()) else {
                break;
            };
            if !argument.deferred && !self.check_argument(range, function, parameter, argument) {
                break;
            }
        }
        true
    }

    /// Returns whether an argument fits, as far as it is known.
    fn check_argument(
        &mut self,
        range: TextRange,
        function: &Function,
        parameter: &SignatureParameter,
        argument: &Argument<'e>,
    ) -> bool {
        let known = &argument.known;
        if known.is_any() {
            return true;
        }
        let set = match &known.function {
            Some(_) => KindSet::FUNCTION,
            None => shape::kinds(&known.ty),
        };
        let name = function.name;
        let place = argument.expr.map_or(range, |expr| expr.range);
        if set.has(KindSet::UNKNOWN) {
            return true;
        }
        let shown = match argument.expr {
            Some(expr) => self.shown(expr.range),
            None => argument.stands_for.to_owned(),
        };
        if parameter.list {
            return self.check_items((place, &shown), name, parameter, known);
        }
        let fits = |(kind, own, _): &(KindSet, Kinds, &str)| {
            set.has(*kind) && parameter.kinds.contain(*own)
        };
        let takes_null = parameter.kinds.contain(Kinds::NULL);
        if !set.is_empty() && !KINDS.iter().any(fits) {
            self.tell_argument((place, &shown), name, parameter, known, set);
            return false;
        }
        if shape::nullable(&known.ty) && !takes_null {
            let used = format!("`${name}` does not take null");
            self.tell_null((place, &shown), known, &used, "");
        }
        true
    }

    fn check_items(
        &mut self,
        (place, shown): (TextRange, &str),
        name: &str,
        parameter: &SignatureParameter,
        known: &Known<'e>,
    ) -> bool {
        let Some((kinds, _)) = parameter.items else {
            return true;
        };
        let item = shape::items(&known.shown_type()).item;
        let set = shape::kinds(&item);
        if set.has(KindSet::UNKNOWN) || known.function.is_some() {
            return true;
        }
        let fits = |(kind, own, _): &(KindSet, Kinds, &str)| set.has(*kind) && kinds.contain(*own);
        if !set.is_empty() && !KINDS.iter().any(fits) {
            let what = wanted(kinds);
            let message = format!(
                "`${name}` takes a list of which each item is {what}, each item of {shown} is {}",
                described(&item)
            );
            self.tell(
                Problem::error(place, codes::BAD_ARGUMENT, message)
                    .with_label(format!("a list of which each item is {}", described(&item)))
                    .with_help(conversion(kinds, set, shown, true)),
            );
            return false;
        }
        if shape::nullable(&item) && !kinds.contain(Kinds::NULL) {
            let used = format!("`${name}` does not take null among its items");
            self.tell_null((place, shown), known, &used, "[$ != null]");
        }
        true
    }

    fn tell_null(
        &mut self,
        (place, shown): (TextRange, &str),
        known: &Known<'e>,
        used: &str,
        filter: &str,
    ) {
        let short = short(shown);
        let (message, help) = if filter.is_empty() {
            (
                format!("{shown} may be null, but {used}"),
                format!(
                    "write `({short} ?? default)`, or ask before: `{short} != null ? ... : ...`"
                ),
            )
        } else {
            (
                format!("an item of {shown} may be null, but {used}"),
                format!("leave the nulls out: `{short}{filter}`"),
            )
        };
        self.tell(
            Problem::error(place, codes::POSSIBLY_MISSING, message)
                .with_label("may be null")
                .with_help(help)
                .declared_by(&known.ty),
        );
    }

    fn tell_argument(
        &mut self,
        (place, shown): (TextRange, &str),
        name: &str,
        parameter: &SignatureParameter,
        known: &Known<'e>,
        set: KindSet,
    ) {
        let bare = short(shown);
        let what = wanted(parameter.kinds);
        if set == KindSet::LIST {
            let message = format!("`${name}` takes {what}, {shown} is a list");
            let help =
                format!("write `{bare}[0]` for the first item, or `{bare}.${name}($)` for each");
            self.tell(
                Problem::error(place, codes::LIST_OR_ONE, message)
                    .with_label("a list")
                    .with_help(help),
            );
            return;
        }
        let own = match &known.function {
            Some(_) => "a function".to_owned(),
            None => described(&known.ty),
        };
        let message = format!("`${name}` takes {what}, {shown} is {own}");
        self.tell(
            Problem::error(place, codes::BAD_ARGUMENT, message)
                .with_label(own)
                .with_help(conversion(parameter.kinds, set, shown, false)),
        );
    }
}

/// Returns what a parameter takes, in words.
fn wanted(kinds: Kinds) -> String {
    let words: Vec<&str> = KINDS
        .iter()
        .filter(|(_, own, _)| kinds.contain(*own))
        .map(|(_, _, word)| *word)
        .collect();
    match words.as_slice() {
        [] => "nothing".to_owned(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// Returns what a value is called in an example; dots for one that is not short.
fn short(shown: &str) -> &str {
    match shown
        .strip_prefix('`')
        .and_then(|rest| rest.strip_suffix('`'))
    {
        Some(source) => source,
        None => "...",
    }
}

/// Returns how a value of these kinds is made one of the wanted ones.
fn conversion(kinds: Kinds, own: KindSet, shown: &str, items: bool) -> String {
    let bare = if items { "$" } else { short(shown) };
    let scalar = KindSet::TEXT.with(KindSet::NUMBER).with(KindSet::BOOL);
    let convert = if kinds.contain(Kinds::TEXT) && own.has(scalar) {
        format!("$string({bare})")
    } else if kinds.contain(Kinds::NUMBER) && own.has(scalar) {
        format!("$number({bare})")
    } else if kinds.contain(Kinds::FUNCTION) {
        return "give it a function: `function($v) { ... }`".to_owned();
    } else if own == KindSet::FUNCTION {
        return "call the function: write its arguments in parentheses".to_owned();
    } else {
        return format!("give it {}, a field of it perhaps", wanted(kinds));
    };
    if items && short(shown) != "..." {
        let list = short(shown);
        format!("write `{list}.{convert}`")
    } else {
        format!("write `{convert}`")
    }
}

/// Returns whether a value may be of a kind that a parameter takes.
fn could_be(known: &Known<'_>, parameter: &SignatureParameter) -> bool {
    let set = match &known.function {
        Some(_) => KindSet::FUNCTION,
        None => shape::kinds(&known.ty),
    };
    let fits =
        |(kind, own, _): &(KindSet, Kinds, &str)| set.has(*kind) && parameter.kinds.contain(*own);
    set.is_empty() || set.has(KindSet::UNKNOWN) || KINDS.iter().any(fits)
}

/// Returns whether a value may be missing, so that what is made of it is missing too.
pub(super) fn absent(arguments: &[Argument<'_>]) -> bool {
    arguments.first().is_some_and(|first| first.known.optional)
}

/// Returns the type of an argument; that of nothing where it is left out.
pub(super) fn type_of(arguments: &[Argument<'_>], index: usize) -> Type {
    let argument = arguments.get(index);
    argument.map_or_else(Type::never, |argument| argument.known.shown_type())
}
