//! A place in a list of tokens.

use crate::sql::token::{Token, TokenKind};

/// A name with its place.
#[derive(Debug, Clone)]
pub(crate) struct Ident {
    pub text: String,
    pub start: usize,
    pub end: usize,
}

/// A place in a statement's tokens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'t> {
    tokens: &'t [Token<'t>],
    at: usize,
}

impl<'t> Cursor<'t> {
    pub fn new(tokens: &'t [Token<'t>]) -> Self {
        Self { tokens, at: 0 }
    }

    /// Returns the next token without taking it.
    pub fn peek(&self) -> Option<&'t Token<'t>> {
        self.tokens.get(self.at)
    }

    /// Returns the token after the next one.
    pub fn peek_second(&self) -> Option<&'t Token<'t>> {
        self.tokens.get(self.at + 1)
    }

    /// Takes the next token.
    pub fn next(&mut self) -> Option<&'t Token<'t>> {
        let token = self.tokens.get(self.at)?;
        self.at += 1;
        Some(token)
    }

    /// Returns the token that was taken last; the first one if none was.
    pub fn last(&self) -> Option<&'t Token<'t>> {
        self.tokens.get(self.at.saturating_sub(1))
    }

    /// Returns whether the next token is this symbol or keyword.
    pub fn is(&self, text: &str) -> bool {
        self.peek().is_some_and(|token| token.is(text))
    }

    /// Takes the next token if it is this symbol or keyword.
    pub fn eat(&mut self, text: &str) -> bool {
        let found = self.is(text);
        if found {
            self.at += 1;
        }
        found
    }

    /// Takes all of these, or none.
    pub fn eat_words(&mut self, words: &[&str]) -> bool {
        let tokens = self.tokens.get(self.at..self.at + words.len());
        let found = tokens
            .is_some_and(|tokens| tokens.iter().zip(words).all(|(token, word)| token.is(word)));
        if found {
            self.at += words.len();
        }
        found
    }

    /// Takes the next token if it is one of these.
    pub fn eat_any(&mut self, words: &[&str]) -> bool {
        words.iter().any(|word| self.eat(word))
    }

    /// Takes a name.
    pub fn name(&mut self) -> Option<Ident> {
        let token = self.peek()?;
        let text = token.name()?;
        self.at += 1;
        Some(Ident {
            text,
            start: token.start,
            end: token.end,
        })
    }

    /// Takes a name with its schema, `public.orders`, and returns its last part.
    pub fn qualified(&mut self) -> Option<Ident> {
        let mut name = self.name()?;
        while self.is(".") {
            self.at += 1;
            name = self.name()?;
        }
        Some(name)
    }

    /// Takes one token, or a whole group in parentheses.
    pub fn skip(&mut self) {
        let mut depth = 0usize;
        while let Some(token) = self.next() {
            if token.is("(") {
                depth += 1;
            } else if token.is(")") {
                depth = depth.saturating_sub(1);
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// Takes a group in parentheses and returns what is inside; `None`, with nothing taken, if
    /// there is no group or it is not closed.
    pub fn group(&mut self) -> Option<Cursor<'t>> {
        if !self.is("(") {
            return None;
        }
        let before = self.at;
        self.skip();
        let closed = self.last().is_some_and(|token| token.is(")"));
        if !closed {
            self.at = before;
            return None;
        }
        Some(Cursor::new(&self.tokens[before + 1..self.at - 1]))
    }

    /// Cuts the rest at its commas, groups aside.
    pub fn split_commas(mut self) -> Vec<Cursor<'t>> {
        let mut parts = Vec::new();
        let mut from = self.at;
        while let Some(token) = self.peek() {
            if token.is(",") {
                parts.push(Cursor::new(&self.tokens[from..self.at]));
                from = self.at + 1;
                self.at += 1;
            } else {
                self.skip();
            }
        }
        parts.push(Cursor::new(&self.tokens[from..]));
        parts
    }

    /// Takes names that are separated by commas, in parentheses; what follows a name up to the
    /// comma (`DESC`, `COLLATE nocase`) is passed over. `None` if one of them is an expression.
    pub fn name_list(&mut self) -> Option<Vec<Ident>> {
        let group = self.group()?;
        group
            .split_commas()
            .into_iter()
            .map(|mut part| part.name().filter(|_| !part.is("(")))
            .collect()
    }

    /// Returns whether nothing is left.
    pub fn is_done(&self) -> bool {
        self.tokens.len() <= self.at
    }

    /// Returns whether the next token is a name that is none of these keywords.
    pub fn is_name_but(&self, keywords: &[&str]) -> bool {
        self.peek().is_some_and(|token| match token.kind {
            TokenKind::Quoted => true,
            TokenKind::Word => !keywords.iter().any(|keyword| token.is(keyword)),
            _ => false,
        })
    }
}
