//! Pickles, Python's format for objects, read as data. A pickle is a program for a small stack machine; only those
//! instructions are followed that dictionaries need, and nothing that it names is ever imported or called: what is no
//! dictionary, list or tensor is a [`Value::Foreign`] of which nothing is known.

use std::collections::HashMap;

/// The longest description of tensors that is read, in bytes; that of a ResNet-152 takes a tenth of a million.
const LONGEST: usize = 4 << 20;
/// So many values may be under way at once. Python writes a dictionary by a thousand entries at a time.
const DEEPEST: usize = 4096;

/// Why a pickle is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PickleError {
    #[error("its description of the tensors is cut off")]
    Ended,
    #[error("its description of the tensors is longer than {LONGEST} bytes")]
    Long,
    #[error("its values are nested too deeply (more than {DEEPEST} are under way at byte {0})")]
    Deep(usize),
    #[error("it holds the instruction {code:#04x} at byte {at}, which no state dict needs")]
    Instruction { code: u8, at: usize },
    #[error("it is damaged at byte {at}: {expected} is expected")]
    Damaged { at: usize, expected: &'static str },
}

/// A type of numbers as PyTorch calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dtype {
    Float,
    Half,
    BFloat16,
    Double,
    Long,
    Int,
    Short,
    Char,
    Byte,
    Bool,
}

/// The Python objects that a state dict names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Global {
    OrderedDict,
    /// Makes a tensor of a storage, an offset, a shape and strides; what follows these is ignored.
    Tensor,
    /// Makes a parameter of a tensor.
    Parameter,
    Storage(Dtype),
}

/// A value; what is large stands in [`Objects`], so that values are copied and dropped without recursion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    Nothing,
    Bool(bool),
    Int(i128),
    Float,
    Text(&'a str),
    Global(Global),
    /// A list or a tuple.
    List(usize),
    Dict(usize),
    Storage(usize),
    Tensor(usize),
    /// A Python object that is none of these.
    Foreign,
}

/// Numbers that lie elsewhere in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Storage<'a> {
    pub dtype: Dtype,
    pub key: &'a str,
    /// How many numbers.
    pub count: usize,
}

/// What a tensor shows of a storage, in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Its place in [`Objects`].
    pub storage: usize,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub stride: Vec<usize>,
}

/// Everything that the values of a pickle refer to by number.
#[derive(Debug, Default)]
pub struct Objects<'a> {
    pub lists: Vec<Vec<Value<'a>>>,
    pub dicts: Vec<Vec<(Value<'a>, Value<'a>)>>,
    pub storages: Vec<Storage<'a>>,
    pub tensors: Vec<View>,
    /// The first Python object that was asked for and is foreign: `module.name`.
    pub foreign: Option<String>,
}

/// Reads one pickle off the beginning of `bytes`.
///
/// # Errors
/// See [`PickleError`]; places are counted from the beginning of this pickle.
pub fn read<'a>(bytes: &mut &'a [u8]) -> Result<(Value<'a>, Objects<'a>), PickleError> {
    let mut machine = Machine {
        whole: bytes,
        at: 0,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        objects: Objects::default(),
    };
    let root = machine.run()?;
    *bytes = &bytes[machine.at..];
    Ok((root, machine.objects))
}

struct Machine<'a> {
    whole: &'a [u8],
    /// How much has been read.
    at: usize,
    stack: Vec<Value<'a>>,
    /// How high the stack was at each mark.
    marks: Vec<usize>,
    memo: HashMap<u64, Value<'a>>,
    objects: Objects<'a>,
}

impl<'a> Machine<'a> {
    fn run(&mut self) -> Result<Value<'a>, PickleError> {
        loop {
            if self.at > LONGEST {
                return Err(PickleError::Long);
            }
            if self.stack.len().max(self.marks.len()) > DEEPEST {
                return Err(PickleError::Deep(self.at));
            }
            match self.take(1)?[0] {
                b'.' => return self.pop(),
                code => self.step(code)?,
            }
        }
    }

    fn step(&mut self, code: u8) -> Result<(), PickleError> {
        match code {
            // protocol and frame: nothing to do
            0x80 => drop(self.take(1)?),
            0x95 => drop(self.take(8)?),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.since_mark()?),
            b'q' | b'r' | 0x94 => {
                let place = match code {
                    b'q' => self.number(1)?,
                    b'r' => self.number(4)?,
                    _ => self.memo.len() as u64,
                };
                let top = *self.stack.last().ok_or(self.expected("a value"))?;
                self.memo.insert(place, top);
            }
            b'a' | b'e' => {
                let items = if code == b'a' { vec![self.pop()?] } else { self.since_mark()? };
                match self.stack.last() {
                    Some(&Value::List(list)) => self.objects.lists[list].extend(items),
                    Some(Value::Foreign) => {}
                    _ => return Err(self.expected("a list")),
                }
            }
            // what goes into a set
            0x90 => {
                self.since_mark()?;
                let Some(Value::Foreign) = self.stack.last() else { return Err(self.expected("a set")) };
            }
            b's' | b'u' => {
                let items = if code == b's' { self.last(2)? } else { self.since_mark()? };
                let (pairs, []) = items.as_chunks() else { return Err(self.expected("pairs")) };
                match self.stack.last() {
                    Some(&Value::Dict(dict)) => {
                        self.objects.dicts[dict].extend(pairs.iter().map(|&[key, value]| (key, value)));
                    }
                    Some(Value::Foreign) => {}
                    _ => return Err(self.expected("a dictionary")),
                }
            }
            // attributes of a dictionary (`_metadata`) say nothing of its tensors
            b'b' => {
                self.pop()?;
                let Some(Value::Dict(_) | Value::Foreign | Value::Tensor(_)) = self.stack.last() else {
                    return Err(self.expected("a dictionary"));
                };
            }
            _ => {
                let value = self.value(code)?;
                self.stack.push(value);
            }
        }
        Ok(())
    }

    /// What an instruction puts on the stack.
    fn value(&mut self, code: u8) -> Result<Value<'a>, PickleError> {
        Ok(match code {
            b'N' => Value::Nothing,
            0x88 | 0x89 => Value::Bool(code == 0x88),
            b'K' => Value::Int(self.number(1)?.into()),
            b'M' => Value::Int(self.number(2)?.into()),
            b'J' => Value::Int((self.number(4)? as u32 as i32).into()),
            0x8a => self.long()?,
            // bytes, a set, a frozen set
            b'C' | b'B' | 0x8e | 0x96 => {
                let length = self.number(match code {
                    b'C' => 1,
                    b'B' => 4,
                    _ => 8,
                })?;
                self.take(length.try_into().map_err(|_| PickleError::Ended)?)?;
                Value::Foreign
            }
            0x8f => Value::Foreign,
            0x91 => {
                self.since_mark()?;
                Value::Foreign
            }
            b'2' => *self.stack.last().ok_or(self.expected("a value"))?,
            b'G' => {
                self.take(8)?;
                Value::Float
            }
            b'X' | b'T' => self.text(4)?,
            b'U' | 0x8c => self.text(1)?,
            b')' | b']' => self.list(Vec::new()),
            0x85..=0x87 => {
                let items = self.last(usize::from(code) - 0x84)?;
                self.list(items)
            }
            b't' => {
                let items = self.since_mark()?;
                self.list(items)
            }
            b'}' => self.dict(Vec::new()),
            b'h' => self.recalled(1)?,
            b'j' => self.recalled(4)?,
            b'c' => {
                let [module, name] = [self.line()?, self.line()?];
                self.global(module, name)
            }
            0x93 => match self.last(2)?[..] {
                [Value::Text(module), Value::Text(name)] => self.global(module, name),
                _ => return Err(self.expected("the name of a Python object")),
            },
            b'Q' => self.storage()?,
            b'R' => self.call()?,
            // an object of a class: with arguments, or with named ones too
            0x81 | 0x92 => {
                self.last(if code == 0x81 { 2 } else { 3 })?;
                Value::Foreign
            }
            code => return Err(PickleError::Instruction { code, at: self.at - 1 }),
        })
    }

    /// What a Python object makes of its arguments.
    fn call(&mut self) -> Result<Value<'a>, PickleError> {
        let [called, arguments] = self.last(2)?[..] else { return Err(self.expected("a call")) };
        let arguments = self.items(arguments).ok_or(self.expected("a tuple of arguments"))?.to_vec();
        match (called, &arguments[..]) {
            (Value::Global(Global::OrderedDict), []) => Ok(self.dict(Vec::new())),
            // as Python 2 wrote it
            (Value::Global(Global::OrderedDict), &[pairs]) => {
                let pair = |&pair: &Value<'a>| match self.items(pair) {
                    Some(&[key, value]) => Some((key, value)),
                    _ => None,
                };
                let pairs = self.items(pairs).and_then(|pairs| pairs.iter().map(pair).collect());
                let pairs = pairs.ok_or(self.expected("a list of pairs"))?;
                Ok(self.dict(pairs))
            }
            (Value::Global(Global::Parameter), &[tensor @ Value::Tensor(_), ..]) => Ok(tensor),
            (Value::Global(Global::Tensor), &[Value::Storage(storage), Value::Int(offset), shape, stride, ..]) => {
                let sides = |value| self.items(value)?.iter().map(count).collect::<Option<Vec<usize>>>();
                let view = || {
                    let offset = offset.try_into().ok()?;
                    Some(View { storage, offset, shape: sides(shape)?, stride: sides(stride)? })
                };
                let view = view().ok_or(self.expected("an offset, a shape and strides from 0 on"))?;
                self.objects.tensors.push(view);
                Ok(Value::Tensor(self.objects.tensors.len() - 1))
            }
            (Value::Foreign, _) => Ok(Value::Foreign),
            (_, arguments) if arguments.contains(&Value::Foreign) => Ok(Value::Foreign),
            _ => Err(self.expected("a tensor, a parameter or a dictionary")),
        }
    }

    /// A Python object by its name.
    fn global(&mut self, module: &str, name: &str) -> Value<'a> {
        let known = match (module, name) {
            ("collections", "OrderedDict") => Some(Global::OrderedDict),
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Some(Global::Tensor),
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Some(Global::Parameter),
            ("torch", name) => name.strip_suffix("Storage").and_then(Dtype::of).map(Global::Storage),
            _ => None,
        };
        known.map_or_else(
            || {
                let stated = || format!("{module}.{name}").chars().take(100).collect();
                self.objects.foreign.get_or_insert_with(stated);
                Value::Foreign
            },
            Value::Global,
        )
    }

    /// A reference to numbers: ("storage", type, key, device, count), since 2017 with nothing or a view behind.
    fn storage(&mut self) -> Result<Value<'a>, PickleError> {
        let reference = self.pop()?;
        let (named, view) = self.items(reference).and_then(|items| items.split_at_checked(5)).unwrap_or_default();
        match (named, view) {
            (
                &[
                    Value::Text("storage"),
                    Value::Global(Global::Storage(dtype)),
                    Value::Text(key),
                    _,
                    Value::Int(count),
                ],
                [] | [Value::Nothing],
            ) => {
                let count = count.try_into().map_err(|_| self.expected("a storage of a possible size"))?;
                self.objects.storages.push(Storage { dtype, key, count });
                Ok(Value::Storage(self.objects.storages.len() - 1))
            }
            (&[Value::Text("storage"), Value::Foreign, ..], _) => Ok(Value::Foreign),
            _ => Err(self.expected("a storage with type, key and size")),
        }
    }

    fn expected(&self, expected: &'static str) -> PickleError {
        PickleError::Damaged { at: self.at, expected }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], PickleError> {
        let end = self.at.checked_add(count).ok_or(PickleError::Ended)?;
        let taken = self.whole.get(self.at..end).ok_or(PickleError::Ended)?;
        self.at = end;
        Ok(taken)
    }

    /// A little-endian number of so many bytes.
    fn number(&mut self, bytes: usize) -> Result<u64, PickleError> {
        Ok(self.take(bytes)?.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    /// A number in two's complement, of as many bytes as the first says.
    fn long(&mut self) -> Result<Value<'a>, PickleError> {
        let length = self.number(1)? as usize;
        let bytes = self.take(length)?;
        let negative = bytes.last().is_some_and(|&byte| byte >= 0x80);
        let mut whole = [if negative { 0xff } else { 0 }; 16];
        whole.get_mut(..length).ok_or(self.expected("a number of at most 16 bytes"))?.copy_from_slice(bytes);
        Ok(Value::Int(i128::from_le_bytes(whole)))
    }

    /// A text behind its length.
    fn text(&mut self, bytes: usize) -> Result<Value<'a>, PickleError> {
        let length = self.number(bytes)? as usize;
        let text = str::from_utf8(self.take(length)?);
        text.map(Value::Text).map_err(|_| self.expected("text in UTF-8"))
    }

    fn line(&mut self) -> Result<&'a str, PickleError> {
        let length = self.whole[self.at..].iter().position(|&byte| byte == b'\n').ok_or(PickleError::Ended)?;
        let line = str::from_utf8(&self.take(length + 1)?[..length]);
        line.map_err(|_| self.expected("text in UTF-8"))
    }

    fn recalled(&mut self, bytes: usize) -> Result<Value<'a>, PickleError> {
        let place = self.number(bytes)?;
        self.memo.get(&place).copied().ok_or(self.expected("a value that was noted down before"))
    }

    fn pop(&mut self) -> Result<Value<'a>, PickleError> {
        self.stack.pop().ok_or(self.expected("a value"))
    }

    /// Takes the last `count` values off the stack.
    fn last(&mut self, count: usize) -> Result<Vec<Value<'a>>, PickleError> {
        let from = self.stack.len().checked_sub(count).ok_or(self.expected("a value"))?;
        Ok(self.stack.split_off(from))
    }

    /// Takes what lies above the last mark off the stack.
    fn since_mark(&mut self) -> Result<Vec<Value<'a>>, PickleError> {
        let mark = self.marks.pop().filter(|&mark| mark <= self.stack.len()).ok_or(self.expected("a mark"))?;
        Ok(self.stack.split_off(mark))
    }

    fn list(&mut self, items: Vec<Value<'a>>) -> Value<'a> {
        self.objects.lists.push(items);
        Value::List(self.objects.lists.len() - 1)
    }

    fn dict(&mut self, pairs: Vec<(Value<'a>, Value<'a>)>) -> Value<'a> {
        self.objects.dicts.push(pairs);
        Value::Dict(self.objects.dicts.len() - 1)
    }

    fn items(&self, value: Value) -> Option<&[Value<'a>]> {
        if let Value::List(list) = value { Some(&self.objects.lists[list]) } else { None }
    }
}

fn count(value: &Value) -> Option<usize> {
    if let Value::Int(number) = *value { number.try_into().ok() } else { None }
}

impl Dtype {
    const ALL: [Dtype; 10] = [
        Dtype::Float,
        Dtype::Half,
        Dtype::BFloat16,
        Dtype::Double,
        Dtype::Long,
        Dtype::Int,
        Dtype::Short,
        Dtype::Char,
        Dtype::Byte,
        Dtype::Bool,
    ];

    fn of(name: &str) -> Option<Dtype> {
        Dtype::ALL.into_iter().find(|dtype| format!("{dtype:?}") == name)
    }

    /// Bytes of a number.
    pub fn size(self) -> usize {
        match self {
            Dtype::Double | Dtype::Long => 8,
            Dtype::Float | Dtype::Int => 4,
            Dtype::Half | Dtype::BFloat16 | Dtype::Short => 2,
            Dtype::Char | Dtype::Byte | Dtype::Bool => 1,
        }
    }
}
