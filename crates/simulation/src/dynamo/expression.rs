//! DynamoDB's expressions, as far as the store speaks them: conditions, updates, key conditions, projections.
//!
//! Read by the grammar of the developer guide. A word that is not known here is an error, and so is a name or a
//! value that is defined and not used.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::attribute::{Attribute, Item};
use super::calls::Refusal;

/// The names and values beside an expression.
#[derive(Debug, Default)]
pub(super) struct Words {
    names: BTreeMap<String, String>,
    values: BTreeMap<String, Attribute>,
    used: RefCell<BTreeSet<String>>,
}

/// A condition, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    Not(Box<Condition>),
    Exists(String),
    Absent(String),
    Compare(Operand, Comparator, Operand),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparator {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    /// The attribute of this name.
    Path(String),
    Value(Attribute),
    IfNotExists(String, Box<Operand>),
}

/// What an update does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Update {
    set: Vec<(String, Sum)>,
    remove: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Sum {
    One(Operand),
    Plus(Operand, Operand),
    Minus(Operand, Operand),
}

impl Words {
    /// Out of a request, or of a part of it that has expressions of its own.
    pub(super) fn of(request: &Value) -> Result<Words, Refusal> {
        let mut words = Words::default();
        for (name, path) in request["ExpressionAttributeNames"].as_object().into_iter().flatten() {
            let path = path.as_str().ok_or_else(|| Refusal::invalid(format!("{name} is no name")))?;
            words.names.insert(name.clone(), path.to_owned());
        }
        for (name, value) in request["ExpressionAttributeValues"].as_object().into_iter().flatten() {
            words.values.insert(name.clone(), Attribute::read(value)?);
        }
        Ok(words)
    }

    /// Every word has to be used by some expression of the request.
    pub(super) fn all_used(&self) -> Result<(), Refusal> {
        let used = self.used.borrow();
        match self.names.keys().chain(self.values.keys()).find(|word| !used.contains(*word)) {
            Some(word) => Err(Refusal::invalid(format!("{word} is unused in expressions"))),
            None => Ok(()),
        }
    }

    fn name(&self, word: &str) -> Result<String, Refusal> {
        self.used.borrow_mut().insert(word.to_owned());
        let found = self.names.get(word).cloned();
        found.ok_or_else(|| Refusal::invalid(format!("the name {word} is not defined")))
    }

    fn value(&self, word: &str) -> Result<Attribute, Refusal> {
        self.used.borrow_mut().insert(word.to_owned());
        let found = self.values.get(word).cloned();
        found.ok_or_else(|| Refusal::invalid(format!("the value {word} is not defined")))
    }

    pub(super) fn condition(&self, text: &str) -> Result<Condition, Refusal> {
        let mut reader = Reader::of(self, text)?;
        let condition = reader.any_of()?;
        reader.ends()?;
        Ok(condition)
    }

    pub(super) fn update(&self, text: &str) -> Result<Update, Refusal> {
        let mut reader = Reader::of(self, text)?;
        let update = reader.update()?;
        reader.ends()?;
        Ok(update)
    }

    pub(super) fn projection(&self, text: &str) -> Result<Vec<String>, Refusal> {
        let mut reader = Reader::of(self, text)?;
        let names = reader.paths()?;
        reader.ends()?;
        Ok(names)
    }

    /// A key condition: the partition, which has to be equal to something.
    pub(super) fn partition(&self, text: &str, key: &str) -> Result<Attribute, Refusal> {
        match self.condition(text)? {
            Condition::Compare(Operand::Path(path), Comparator::Equal, Operand::Value(value))
                if path == key =>
            {
                Ok(value)
            }
            other => Err(Refusal::invalid(format!("a key condition like {other:?} is not played"))),
        }
    }
}

impl Condition {
    pub(super) fn holds(&self, item: &Item) -> bool {
        match self {
            Condition::And(one, other) => one.holds(item) && other.holds(item),
            Condition::Or(one, other) => one.holds(item) || other.holds(item),
            Condition::Not(inner) => !inner.holds(item),
            Condition::Exists(path) => item.contains_key(path),
            Condition::Absent(path) => !item.contains_key(path),
            // What is not there compares with nothing.
            Condition::Compare(one, comparator, other) => match (one.of(item), other.of(item)) {
                (Some(one), Some(other)) => comparator.holds(&one, &other),
                _ => false,
            },
        }
    }
}

impl Comparator {
    fn holds(self, one: &Attribute, other: &Attribute) -> bool {
        let order = one.order(other);
        match self {
            Comparator::Equal => one == other,
            Comparator::Unequal => one != other,
            Comparator::Less => order == Some(Ordering::Less),
            Comparator::LessOrEqual => order.is_some_and(Ordering::is_le),
            Comparator::Greater => order == Some(Ordering::Greater),
            Comparator::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
        }
    }
}

impl Operand {
    fn of(&self, item: &Item) -> Option<Attribute> {
        match self {
            Operand::Path(path) => item.get(path).cloned(),
            Operand::Value(value) => Some(value.clone()),
            Operand::IfNotExists(path, other) => item.get(path).cloned().or_else(|| other.of(item)),
        }
    }
}

impl Update {
    /// The attributes that it touches.
    pub(super) fn paths(&self) -> impl Iterator<Item = &String> {
        self.set.iter().map(|(path, _)| path).chain(&self.remove)
    }

    /// Does it. Everything is read from the item as it was before.
    pub(super) fn apply(&self, item: &mut Item) -> Result<(), Refusal> {
        let before = item.clone();
        for (path, sum) in &self.set {
            item.insert(path.clone(), sum.of(&before)?);
        }
        for path in &self.remove {
            item.remove(path);
        }
        Ok(())
    }
}

impl Sum {
    fn of(&self, item: &Item) -> Result<Attribute, Refusal> {
        let value = |operand: &Operand| {
            let value = operand.of(item);
            value.ok_or_else(|| Refusal::invalid("it refers to an attribute that does not exist in the item"))
        };
        let number = |operand: &Operand| match value(operand)? {
            Attribute::Number(number) => Ok(number),
            Attribute::Text(_) => Err(Refusal::invalid("an operand has the wrong type")),
        };
        let sum = match self {
            Sum::One(operand) => return value(operand),
            Sum::Plus(one, other) => number(one)?.checked_add(number(other)?),
            Sum::Minus(one, other) => number(one)?.checked_sub(number(other)?),
        };
        sum.map(Attribute::Number).ok_or_else(|| Refusal::invalid("a number overflows"))
    }
}

/// Reads an expression word by word.
struct Reader<'a> {
    words: &'a Words,
    tokens: Vec<&'a str>,
    at: usize,
}

impl<'a> Reader<'a> {
    fn of(words: &'a Words, text: &'a str) -> Result<Reader<'a>, Refusal> {
        Ok(Reader { words, tokens: tokens(text)?, at: 0 })
    }

    fn peek(&self) -> &'a str {
        self.tokens.get(self.at).copied().unwrap_or("")
    }

    fn next(&mut self) -> &'a str {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn takes(&mut self, word: &str) -> bool {
        let is_it = self.peek().eq_ignore_ascii_case(word);
        self.at += usize::from(is_it);
        is_it
    }

    fn needs(&mut self, word: &str) -> Result<(), Refusal> {
        let found = self.peek();
        if self.takes(word) { Ok(()) } else { Err(unknown(found)) }
    }

    fn ends(&self) -> Result<(), Refusal> {
        if self.at >= self.tokens.len() { Ok(()) } else { Err(unknown(self.peek())) }
    }

    fn any_of(&mut self) -> Result<Condition, Refusal> {
        let mut condition = self.all_of()?;
        while self.takes("OR") {
            condition = Condition::Or(Box::new(condition), Box::new(self.all_of()?));
        }
        Ok(condition)
    }

    fn all_of(&mut self) -> Result<Condition, Refusal> {
        let mut condition = self.one()?;
        while self.takes("AND") {
            condition = Condition::And(Box::new(condition), Box::new(self.one()?));
        }
        Ok(condition)
    }

    fn one(&mut self) -> Result<Condition, Refusal> {
        if self.takes("NOT") {
            return Ok(Condition::Not(Box::new(self.one()?)));
        }
        if self.takes("(") {
            let inner = self.any_of()?;
            self.needs(")")?;
            return Ok(inner);
        }
        if self.takes("attribute_exists") {
            return Ok(Condition::Exists(self.path_in_brackets()?));
        }
        if self.takes("attribute_not_exists") {
            return Ok(Condition::Absent(self.path_in_brackets()?));
        }
        let one = self.operand()?;
        let comparator = match self.next() {
            "=" => Comparator::Equal,
            "<>" => Comparator::Unequal,
            "<" => Comparator::Less,
            "<=" => Comparator::LessOrEqual,
            ">" => Comparator::Greater,
            ">=" => Comparator::GreaterOrEqual,
            other => return Err(unknown(other)),
        };
        Ok(Condition::Compare(one, comparator, self.operand()?))
    }

    fn path_in_brackets(&mut self) -> Result<String, Refusal> {
        self.needs("(")?;
        let path = self.path()?;
        self.needs(")")?;
        Ok(path)
    }

    fn update(&mut self) -> Result<Update, Refusal> {
        let mut update = Update::default();
        while self.at < self.tokens.len() {
            if self.takes("SET") && update.set.is_empty() {
                loop {
                    let path = self.path()?;
                    self.needs("=")?;
                    update.set.push((path, self.sum()?));
                    if !self.takes(",") {
                        break;
                    }
                }
            } else if self.takes("REMOVE") && update.remove.is_empty() {
                update.remove = self.paths()?;
            } else {
                return Err(unknown(self.peek()));
            }
        }
        let paths: Vec<&String> = update.paths().collect();
        if paths.iter().collect::<BTreeSet<_>>().len() < paths.len() {
            return Err(Refusal::invalid("two document paths overlap with each other"));
        }
        Ok(update)
    }

    fn sum(&mut self) -> Result<Sum, Refusal> {
        let one = self.operand()?;
        if self.takes("+") {
            return Ok(Sum::Plus(one, self.operand()?));
        }
        if self.takes("-") {
            return Ok(Sum::Minus(one, self.operand()?));
        }
        Ok(Sum::One(one))
    }

    fn operand(&mut self) -> Result<Operand, Refusal> {
        if self.takes("if_not_exists") {
            self.needs("(")?;
            let path = self.path()?;
            self.needs(",")?;
            let other = self.operand()?;
            self.needs(")")?;
            return Ok(Operand::IfNotExists(path, Box::new(other)));
        }
        if self.peek().starts_with(':') {
            let word = self.next();
            return self.words.value(word).map(Operand::Value);
        }
        self.path().map(Operand::Path)
    }

    fn paths(&mut self) -> Result<Vec<String>, Refusal> {
        let mut paths = vec![self.path()?];
        while self.takes(",") {
            paths.push(self.path()?);
        }
        Ok(paths)
    }

    /// The store writes every name with a placeholder: many plain ones are reserved.
    fn path(&mut self) -> Result<String, Refusal> {
        let word = self.next();
        if word.starts_with('#') { self.words.name(word) } else { Err(unknown(word)) }
    }
}

fn unknown(word: &str) -> Refusal {
    Refusal::invalid(format!("`{word}` is not known at this place of an expression"))
}

fn tokens(text: &str) -> Result<Vec<&str>, Refusal> {
    let is_of_a_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '#' || c == ':';
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if is_of_a_word(first) {
            rest.find(|c| !is_of_a_word(c)).unwrap_or(rest.len())
        } else if rest.starts_with("<=") || rest.starts_with(">=") || rest.starts_with("<>") {
            2
        } else if "=<>(),+-".contains(first) {
            1
        } else {
            return Err(unknown(&first.to_string()));
        };
        let (token, after) = rest.split_at(length);
        tokens.push(token);
        rest = after.trim_start();
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn words() -> Words {
        let names = json!({ "#a": "a", "#b": "b" });
        let values =
            json!({ ":1": { "N": "1" }, ":2": { "N": "2" }, ":10": { "N": "10" }, ":x": { "S": "x" } });
        Words::of(&json!({ "ExpressionAttributeNames": names, "ExpressionAttributeValues": values })).unwrap()
    }

    fn item() -> Item {
        Item::from([
            ("a".to_owned(), Attribute::Number(2)),
            ("b".to_owned(), Attribute::Text("x".to_owned())),
        ])
    }

    fn holds(text: &str) -> bool {
        words().condition(text).unwrap().holds(&item())
    }

    #[test]
    fn conditions_mean_what_the_guide_says() {
        assert!(holds("#a = :2 AND #b = :x"));
        assert!(holds("#a = :1 OR #b = :x"));
        // AND binds closer.
        assert!(holds("#b = :x OR #a = :1 AND #a = :1"));
        assert!(!holds("(#b = :x OR #a = :1) AND #a = :1"));
        assert!(holds("NOT #a = :1 AND #a <= :2 AND #a < :10 AND #a >= :2 AND #a > :1 AND #a <> :1"));
        assert!(holds("attribute_exists(#a)") && !holds("attribute_not_exists(#a)"));
    }

    #[test]
    fn numbers_are_compared_as_numbers_and_nothing_with_what_is_of_another_kind_or_absent() {
        assert!(holds("#a <= :10"));
        assert!(!holds("#a <= :x") && !holds("#a > :x") && holds("#a <> :x"));
        let nothing = Item::new();
        for text in ["#a = :2", "#a <= :2", "#a > :2", "#a <> :2"] {
            assert!(!words().condition(text).unwrap().holds(&nothing), "{text}");
        }
    }

    #[test]
    fn an_update_reads_the_item_as_it_was() {
        let mut item = item();
        let update = words().update("SET #a = if_not_exists(#a, :1) + :1, #b = #a REMOVE #c");
        assert!(update.is_err(), "#c is not defined");
        words().update("SET #a = if_not_exists(#a, :1) + :1, #b = #a").unwrap().apply(&mut item).unwrap();
        assert_eq!(item["a"], Attribute::Number(3));
        assert_eq!(item["b"], Attribute::Number(2));
        let mut nothing = Item::new();
        words().update("SET #a = if_not_exists(#a, :1) + :1").unwrap().apply(&mut nothing).unwrap();
        assert_eq!(nothing["a"], Attribute::Number(2));
        assert!(words().update("SET #a = #b + :1").unwrap().apply(&mut Item::new()).is_err());
        words().update("REMOVE #a, #b").unwrap().apply(&mut item).unwrap();
        assert_eq!(item, Item::new());
    }

    #[test]
    fn what_is_not_known_is_an_error_and_never_a_yes() {
        for text in [
            "",
            "#a",
            "#a =",
            "#a = :9",
            "#z = :1",
            "a = :1",
            "#a = :1 AND",
            "#a = :1 #b = :x",
            "#a BETWEEN :1 AND :2",
            "#a IN (:1)",
            "begins_with(#b, :x)",
            "size(#a) = :1",
            "contains(#b, :x)",
            "attribute_type(#a, :x)",
            "#a.#b = :1",
            "#a[0] = :1",
            "(#a = :1",
            "#a == :1",
        ] {
            assert!(words().condition(text).is_err(), "{text}");
        }
        for text in ["ADD #a :1", "DELETE #a :1", "SET #a", "SET #a = :1 SET #b = :1", "SET #a = :1, #a = :2"]
        {
            assert!(words().update(text).is_err(), "{text}");
        }
        assert!(words().projection("#a, #b").is_ok() && words().projection("#a #b").is_err());
    }

    #[test]
    fn a_word_that_no_expression_uses_is_an_error() {
        let words = words();
        words.condition("#a = :1 AND #b = :x").unwrap();
        assert!(words.all_used().is_err());
        words.condition("#a = :2 OR #a = :10").unwrap();
        assert!(words.all_used().is_ok());
    }
}
